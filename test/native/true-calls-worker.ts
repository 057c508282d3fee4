/**
 * A real run that writes down what it says it asked of the kernel: `ROOT OUT REQUEST`, the last as JSON. Run beneath
 * strace, by true-calls.test.ts.
 */
import { writeFileSync } from 'node:fs';
import { requestOf, type ContainerOptions } from '../../src/cli/options.ts';
import { placeOf } from '../../src/daemon/place.ts';
import type { EngineEvent } from '../../src/engine/frontend.ts';
import { Breakpoints } from '../../src/engine/pauses.ts';
import { walkFlow } from '../../src/engine/session.ts';
import { runFlow, UNSUPERVISED } from '../../src/flows/run.ts';
import type { Call } from '../../src/kernel/calls.ts';
import { Kernel } from '../../src/kernel/kernel.ts';

export interface Request {
  readonly command: readonly string[];
  readonly options: ContainerOptions;
}

/** One step's record. */
export interface Told {
  readonly step: string;
  readonly calls: readonly Call[];
  readonly more: number;
}

export interface Said {
  readonly exitCode: number;
  /** Pid of dockerinit, then of the program. */
  readonly child: number;
  readonly steps: readonly Told[];
}

async function main([root = '', out = '', asked = '{}']: readonly string[]): Promise<void> {
  const { command, options } = JSON.parse(asked) as Request;
  const sys = new Kernel();
  const request = requestOf('base', command, options, { env: {}, readFile: (path) => sys.readFile(path) });
  const steps: Told[] = [];
  let child = 0;
  const on = (event: EngineEvent): void => {
    if (event.event !== 'step-end') return;
    const { step, calls, more, given } = event;
    steps.push({ step, calls, more });
    if ('child' in given) child = (given['child'] as { pid: number }).pid;
  };
  const { exitCode, error } = await walkFlow({
    sys,
    place: placeOf(root),
    command: 'run',
    version: '0',
    steps: runFlow,
    initial: { request, ...UNSUPERVISED },
    rm: true,
    stdin: 'null',
    signals: 'passed',
    self: [],
    failpoints: [],
    breakpoints: new Breakpoints(
      [],
      false,
      runFlow.map(({ id }) => id),
    ),
    frontEnd: { on, command: async () => ({ command: 'continue' }), close: () => undefined },
    watcher: undefined,
  });
  if (error !== undefined)
    throw error instanceof Error ? error : new Error('something else than an error was thrown');
  writeFileSync(out, JSON.stringify({ exitCode, child, steps } satisfies Said));
}

process.umask(0o077);
void main(process.argv.slice(2));
