/** Walks a front end through a small made-up run, as the engine would: three stages, four steps, answers to every command. */
import type { EngineEvent, FrontEnd, Pause, StepInfo } from '../../src/engine/frontend.ts';
import type { Compensation } from '../../src/engine/compensation.ts';
import { stageOf, type StepId } from '../../src/engine/step.ts';
import type { Call } from '../../src/kernel/calls.ts';
import type { Change } from '../../src/observe/names.ts';

const ID = 'ab12'.repeat(16);

function info(id: StepId, title: string, changed: Partial<StepInfo> = {}): StepInfo {
  const plain = { actor: 'daemon', then: '', now: 'runc', needs: [], gives: [], observe: ['files'] } as const;
  return { id, stage: stageOf(id), title, ...plain, ...changed };
}

export const STEPS: readonly StepInfo[] = [
  info('start.mount-rootfs', 'Mount all layers as one tree', {
    then: 'Daemon.Mount · daemon/daemon.go:907',
    now: 'containerd Mounts · CVE-2014-9357',
    needs: ['ancestry'],
    gives: ['rootfs'],
    observe: ['mounts'],
  }),
  info('launch.clone', 'Clone dockerinit into new namespaces', { needs: ['rootfs'], gives: ['child'] }),
  info('init.exec', 'Become the program', { actor: 'dockerinit', needs: ['child'], gives: ['execd'] }),
  info('exit.wait', 'Wait for the end', { needs: ['execd'], gives: ['ended'] }),
];

const call = (name: string, args: string[], ns: number, errno = ''): Call => ({
  call: name,
  args,
  result: errno === '' ? '0' : '',
  errno,
  at: 0,
  ns,
});

export const CALLS: readonly Call[] = [
  call('mkdir', [`"overlay/mnt/${ID}"`, '0700'], 21_000),
  call(
    'mount',
    ['"overlay"', `"overlay/mnt/${ID}"`, '"overlay"', 'MS_NODEV', '"lowerdir=A:B,upperdir=../ab12/diff"'],
    1_234_000,
  ),
  call('read', ['"/proc/self/mountinfo"'], 90_000, 'ENOENT'),
];

export const CHANGES: readonly Change[] = [
  { observer: 'mounts', key: `host overlay/mnt/${ID}`, after: 'overlay from overlay rw,nodev private' },
  { observer: 'process', key: 'uids', before: '0', after: '1000' },
  { observer: 'process', key: 'descriptor 3', before: 'socket:[1]' },
];

export const UNDO: readonly Compensation[] = [
  { kind: 'unmount', lifetime: 'transient', path: `overlay/mnt/${ID}`, fstype: 'overlay', source: 'overlay' },
];

const VALUES = { rootfs: `/r/overlay/mnt/${ID}`, environment: ['PATH=/bin', 'SECRET=x'] };

export interface Script {
  readonly stepping: boolean;
  readonly breakpoints?: readonly string[];
  /** What the container's program does while the terminal is its own. */
  readonly program?: () => Promise<void>;
}

export function ended(step: StepInfo, number: number): Extract<EngineEvent, { event: 'step-end' }> {
  const first = number === 1;
  return {
    event: 'step-end',
    step: step.id,
    number,
    of: STEPS.length,
    start: 0,
    end: 1_500_000,
    calls: first ? CALLS : [],
    more: 0,
    notes: first ? ['2 layers'] : [],
    given: first ? { rootfs: VALUES.rootfs } : {},
    changes: first ? CHANGES : [],
  };
}

/** Returns how it ended: 'end' or 'quit'. */
export async function drive(frontEnd: FrontEnd, script: Script): Promise<'end' | 'quit'> {
  const { breakpoints = [], program } = script;
  let { stepping } = script;
  const patterns = [...breakpoints];
  const emit = (event: EngineEvent): void => frontEnd.on(event);
  emit({ event: 'begin', run: 'fake', steps: STEPS, traceId: '0'.repeat(32) });
  let how: 'end' | 'quit' = 'end';
  for (const [index, step] of STEPS.entries()) {
    const number = index + 1;
    emit({ event: 'step-begin', step: step.id, number, of: STEPS.length });
    emit({ event: 'planned', step: step.id, drawn: null, undo: index === 0 ? UNDO : [] });
    if (stepping || patterns.includes(step.id)) {
      const pause: Pause = {
        step,
        when: 'before',
        number,
        of: STEPS.length,
        last: STEPS[index - 1]?.id ?? null,
      };
      const said = await ask(frontEnd, pause, patterns);
      if (said === 'quit') {
        how = 'quit';
        break;
      }
      stepping = said === 'next';
    }
    if (step.id === 'init.exec') emit({ event: 'terminal', owner: 'container' });
    emit(ended(step, number));
    if (step.id === 'init.exec') {
      await program?.();
      emit({ event: 'terminal', owner: 'front-end' });
    }
  }
  emit({ event: 'undo-begin', why: how === 'quit' ? 'quit' : 'exit', count: UNDO.length });
  for (const compensation of UNDO)
    emit({
      event: 'undone',
      undone: { step: 'start.mount-rootfs', compensation, ok: true, error: '', ns: 300_000 },
    });
  emit({ event: 'undo-end' });
  emit({ event: 'end', exitCode: 0 });
  frontEnd.close();
  return how;
}

async function ask(
  frontEnd: FrontEnd,
  pause: Pause,
  patterns: string[],
): Promise<'next' | 'continue' | 'quit'> {
  for (;;) {
    const said = await frontEnd.command(pause);
    switch (said.command) {
      case 'next':
      case 'continue':
      case 'quit':
        return said.command;
      case 'break':
        patterns.push(said.pattern);
        frontEnd.on({ event: 'breakpoints', patterns });
        break;
      case 'unbreak':
        patterns.splice(patterns.indexOf(said.pattern), 1);
        frontEnd.on({ event: 'breakpoints', patterns });
        break;
      case 'list':
        frontEnd.on({ event: 'list', steps: STEPS, at: pause.step.id, when: pause.when });
        break;
      case 'explain':
        frontEnd.on({ event: 'explain', id: said.id ?? pause.step.id });
        break;
      case 'dump':
        frontEnd.on({ event: 'values', values: VALUES });
        frontEnd.on({
          event: 'observation',
          observation: { observer: 'files', lines: { 'hostname line 1': 'web' } },
        });
        break;
      case 'diff':
        frontEnd.on({ event: 'diff', step: 'start.mount-rootfs', changes: CHANGES });
        break;
      case 'shell':
        frontEnd.on({ event: 'refused', text: 'there is no shell here' });
        break;
      case 'back':
      case 'first':
      case 'last':
      case 'goto':
      case 'search':
        frontEnd.on({ event: 'refused', text: 'this is no recording' });
        break;
      case 'calls':
        frontEnd.on({ event: 'calls', step: 'start.mount-rootfs', calls: CALLS, more: 2 });
        break;
    }
  }
}
