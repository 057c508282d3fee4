/** Draws what the engine says, on standard error or the terminal, never on standard output: that is the container's. */
import type { Compensation } from '../../engine/compensation.ts';
import type { EngineEvent, Pause, StepInfo } from '../../engine/frontend.ts';
import { callsText, diffText, foundText, observationText, stepList, valuesText } from '../render/answers.ts';
import { stageCard, stepCard } from '../render/card.ts';
import { cardOf } from '../render/cards-file.ts';
import { renderErrorText } from '../render/errors.ts';
import { explanation } from '../render/explanation.ts';
import { outputLines, stepFailed, stepLine, stepOutcome, undoHead, undoLine } from '../render/outcome.ts';
import type { ProgressArea } from '../render/progress.ts';
import type { Style } from '../render/style.ts';
import { clean, shown } from '../render/text.ts';
import { TraceTree } from '../render/trace.ts';

export interface NarratorSettings {
  readonly write: (text: string) => void;
  /** Where a long step shows how far it is; absent: nobody wants to know. */
  readonly progress?: ProgressArea;
  readonly style: Style;
  /** Steps, answers and undoing; without it only warnings, and the tree at the end. */
  readonly steps: boolean;
  /** Every step gets its card from the start; else from the first stop on. */
  readonly cards: boolean;
  readonly trace: boolean;
  readonly showEnv: boolean;
  /** What is known before the run, for the commands of a card: `ROOT`, `PARENT`. */
  readonly known: Readonly<Record<string, string>>;
}

/** Values with a pid, the newest process first. */
const PROCESSES = ['child', 'joiner', 'execTarget', 'target'];

type Of<E extends EngineEvent['event']> = Extract<EngineEvent, { event: E }>;

export class Narrator {
  private readonly settings: NarratorSettings;
  private readonly tree: TraceTree | undefined;
  private infos: readonly StepInfo[] = [];
  private cards: boolean;
  private place = { number: 0, of: 0 };
  private undo: readonly Compensation[] = [];
  private known: Readonly<Record<string, string>>;
  /** Stages whose card was drawn: a flow goes back and forth between launch and init. */
  private readonly stages = new Set<string>();
  /** The step whose card stands above; its outcome is drawn in full. */
  private drawn = '';

  constructor(settings: NarratorSettings) {
    this.settings = settings;
    this.cards = settings.cards;
    this.known = settings.known;
    this.tree = settings.trace ? new TraceTree() : undefined;
  }

  /** The run stands still here. */
  paused({ step, when, over }: Pause): void {
    if (over === true) return;
    if (this.drawn !== step.id) this.card(step.id);
    if (when === 'after') this.line(this.settings.style.paint.dim(`  after ${step.id}`));
  }

  /** Whether the steps that come get cards, or a line each until the next stop. */
  goOn(cards: boolean): void {
    this.cards = cards;
  }

  /** What is not of a run: help, a misspelt command. */
  line(text: string): void {
    this.settings.progress?.clear();
    this.settings.write(`${text}\n`);
  }

  on(event: EngineEvent): void {
    this.tree?.on(event);
    if (event.event === 'begin') this.infos = event.steps;
    if (event.event === 'warning') this.warn(event.text);
    if (event.event === 'progress') this.settings.progress?.show(event.bars);
    if (event.event === 'step-end' || event.event === 'step-failed') this.settings.progress?.clear();
    if (this.settings.steps) this.tell(event);
    if (event.event === 'end' && this.tree !== undefined)
      this.line(`\n${this.tree.render(this.settings.style)}`);
  }

  /** In a stepped run a step's warnings stand on its card; else Docker's word for them. */
  private warn(text: string): void {
    if (!this.settings.steps) this.line(`WARNING: ${shown(text)}`);
  }

  private tell(event: EngineEvent): void {
    const { style } = this.settings;
    switch (event.event) {
      case 'step-begin':
        this.place = { number: event.number, of: event.of };
        this.undo = [];
        return;
      case 'planned':
        this.undo = event.undo;
        if (this.cards) this.card(event.step);
        return;
      case 'step-end':
        this.ended(event);
        return;
      case 'step-failed':
        this.line(stepFailed(event, style));
        return;
      case 'undo-begin':
        this.line(`\n${undoHead(event.why, event.count, style)}`);
        return;
      case 'undone':
        this.line(undoLine(event.undone, style));
        return;
      case 'end':
        this.line(style.paint.dim(`exit code ${event.exitCode}`));
        return;
      case 'jump':
        this.jumped(event);
        return;
      case 'output':
        this.line(outputLines(event, style));
        return;
      case 'error':
        this.line(renderErrorText(event.error, style));
        return;
      default:
        this.answer(event);
    }
  }

  private ended(event: Of<'step-end'>): void {
    const { style, showEnv } = this.settings;
    this.known = { ...this.known, ...knownFrom(event.given) };
    this.line(this.drawn === event.step ? `${stepOutcome(event, showEnv, style)}\n` : stepLine(event, style));
  }

  /** As if the run had just come here. */
  private jumped({ step, number, of, undo, values }: Of<'jump'>): void {
    this.place = { number, of };
    this.undo = undo;
    this.known = { ...this.settings.known, ...knownFrom(values) };
    this.card(step);
  }

  private card(id: string): void {
    const { style } = this.settings;
    const info = this.infos.find((each) => each.id === id);
    if (info === undefined) return;
    if (!this.stages.has(info.stage)) {
      this.stages.add(info.stage);
      this.line(`${stageCard(info.stage, cardOf(info.stage), style)}\n`);
    }
    this.drawn = id;
    this.line(stepCard({ info, ...this.place, card: cardOf(id), undo: this.undo, known: this.known }, style));
  }

  private answer(event: EngineEvent): void {
    const { style, showEnv } = this.settings;
    switch (event.event) {
      case 'breakpoints':
        this.line(
          event.patterns.length === 0 ? 'no breakpoints' : `breakpoints: ${event.patterns.join(', ')}`,
        );
        return;
      case 'list':
        this.line(stepList(event, style));
        return;
      case 'explain':
        this.line(
          explanation(
            event.id,
            this.infos.find(({ id }) => id === event.id),
            cardOf(event.id),
            style,
          ),
        );
        return;
      case 'values':
        this.line(valuesText(event.values, showEnv, style));
        return;
      case 'observation':
        this.line(observationText(event.observation, style));
        return;
      case 'diff':
        this.line(diffText(event, style));
        return;
      case 'calls':
        this.line(callsText(event, style));
        return;
      case 'found':
        this.line(foundText(event, style));
        return;
      case 'refused':
        this.line(style.paint.yellow(shown(event.text)));
        return;
      default:
        return;
    }
  }
}

/** What a learner's commands are about, as soon as a step gave it: of a stop the container, of an exec the newest process. */
function knownFrom(given: Readonly<Record<string, unknown>>): Record<string, string> {
  // From a recording these may be anything.
  const of = (name: string): Readonly<Record<string, unknown>> => {
    const value = given[name];
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  };
  const container = of('subject')['container'] as { readonly ID?: unknown } | null | undefined;
  const id = of('identity')['id'] ?? container?.ID ?? of('target')['id'];
  const pid = PROCESSES.map((name) => of(name)['pid']).find((each) => typeof each === 'number' && each > 0);
  return {
    ...(typeof id === 'string' ? { ID: clean(id) } : {}),
    ...(typeof pid === 'number' ? { PID: pid.toString() } : {}),
  };
}
