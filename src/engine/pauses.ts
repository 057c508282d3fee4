/** Breakpoints, and what is answered while a run stands still. Every answer is an event: the front end only draws. */
import { OBSERVERS, type Observation, type ObserverName } from '../observe/names.ts';
import { KernelError } from '../kernel/calls.ts';
import { TsDockError } from './failure.ts';
import type { EngineEvent, FrontEndCommand, Pause, StepInfo } from './frontend.ts';
import { parsePattern, unknownStep, type Pattern, type When } from './patterns.ts';
import type { LastStep, Run } from './run.ts';
import { STAGES, type StepId } from './step.ts';

export class Breakpoints {
  private patterns: Pattern[];
  private readonly ids: readonly StepId[];
  /** Stop before the next step whatever it is. */
  private stepping: boolean;

  /**
   * @param stepping `--step`. With a breakpoint as well, that is the first stop, and stepping goes on from there.
   */
  constructor(texts: readonly string[], stepping: boolean, ids: readonly StepId[]) {
    this.ids = ids;
    this.patterns = texts.map((text) => parsePattern(text, ids));
    this.stepping = stepping && texts.length === 0;
  }

  /** Whether anything can stop this run at all. */
  get armed(): boolean {
    return this.stepping || this.patterns.length > 0;
  }

  stopsAt(step: StepId, when: When): boolean {
    return (
      (this.stepping && when === 'before') || this.patterns.some((p) => p.when === when && p.matches(step))
    );
  }

  list(): readonly string[] {
    return this.patterns.map(({ text }) => text);
  }

  add(text: string): void {
    const pattern = parsePattern(text, this.ids);
    if (!this.list().includes(text)) this.patterns.push(pattern);
  }

  remove(text: string): boolean {
    const before = this.patterns.length;
    this.patterns = this.patterns.filter((p) => p.text !== text);
    return this.patterns.length < before;
  }

  goOn(stepping: boolean): void {
    this.stepping = stepping;
  }
}

/** Asks the front end until it says to go on. Throws where it says `quit`. */
export async function askForCommands(run: Run, breakpoints: Breakpoints, pause: Pause): Promise<void> {
  for (;;) {
    const command = await Promise.race([run.settings.frontEnd.command(pause), run.interruption]);
    if (command === undefined) return;
    switch (command.command) {
      case 'next':
        breakpoints.goOn(true);
        return;
      case 'continue':
        breakpoints.goOn(false);
        return;
      case 'shell':
        await refusable(run, () => run.shell(pause, command.line));
        break;
      case 'quit':
        throw new TsDockError('quit', 'you asked for the end');
      default:
        answer(run, breakpoints, pause, command);
    }
  }
}

export type Question = Exclude<FrontEndCommand, { command: 'next' | 'continue' | 'shell' | 'quit' }>;

/** Who can be asked while it stands still: a run, or a recording of one. */
export interface Questioned {
  readonly infos: readonly StepInfo[];
  readonly values: Readonly<Record<string, unknown>>;
  readonly last: LastStep | null;
  emit(event: EngineEvent): void;
  observe(step: StepInfo, names: readonly ObserverName[]): readonly Observation[];
}

/** Answers by events. What cannot be answered is refused, and nothing else happens. */
export function answer(run: Questioned, breakpoints: Breakpoints, pause: Pause, question: Question): void {
  try {
    switch (question.command) {
      case 'break':
        breakpoints.add(question.pattern);
        run.emit({ event: 'breakpoints', patterns: breakpoints.list() });
        return;
      case 'unbreak':
        if (!breakpoints.remove(question.pattern))
          throw new TsDockError('no-such-step', `there is no breakpoint ${question.pattern}`);
        run.emit({ event: 'breakpoints', patterns: breakpoints.list() });
        return;
      case 'list':
        run.emit({ event: 'list', steps: run.infos, at: pause.step.id, when: pause.when });
        return;
      case 'explain':
        explain(run, question.id ?? pause.step.id);
        return;
      case 'dump':
        dump(run, pause.step, question.what);
        return;
      case 'diff':
        if (run.last !== null) run.emit({ event: 'diff', step: run.last.id, changes: run.last.changes });
        else run.emit({ event: 'refused', text: 'no step has run yet' });
        return;
      case 'calls':
        if (run.last !== null)
          run.emit({ event: 'calls', step: run.last.id, calls: run.last.calls, more: run.last.more });
        else run.emit({ event: 'refused', text: 'no step has run yet' });
        return;
      default:
        throw new TsDockError('bad-usage', 'only a recording can go back, or be searched', {
          remedy: '`run --record FILE`, then `replay FILE`',
        });
    }
  } catch (error) {
    run.emit(refusal(error));
  }
}

/** The event of a question that was wrong; what else was thrown is thrown on. */
export function refusal(error: unknown): EngineEvent {
  if (!(error instanceof TsDockError)) throw error;
  return {
    event: 'refused',
    text: [error.message, error.remedy].filter((part) => part !== '').join('. '),
  };
}

async function refusable(run: Run, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof TsDockError || error instanceof KernelError)) throw error;
    run.emit({ event: 'refused', text: error.message });
  }
}

function explain(run: Questioned, id: string): void {
  const known = run.infos.map((info): string => info.id);
  if (!known.includes(id) && !(STAGES as readonly string[]).includes(id)) throw unknownStep(id, id, known);
  run.emit({ event: 'explain', id });
}

function dump(run: Questioned, step: StepInfo, what: string | null): void {
  if (what === null || what === 'values') run.emit({ event: 'values', values: run.values });
  if (what === 'values') return;
  const names = what === null ? step.observe : [what];
  const unknown = names.find((name) => !(OBSERVERS as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new TsDockError('bad-usage', `there is no observer ${unknown}`, {
      remedy: `There are values, ${OBSERVERS.join(', ')}`,
    });
  for (const observation of run.observe(step, names as readonly ObserverName[]))
    run.emit({ event: 'observation', observation });
}
