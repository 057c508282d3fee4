/** Containers that run in the background, driven by the test, for the commands that act on them from outside. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Container } from '../../src/daemon/model.ts';
import { programOverStreams, type Program } from '../rig/program.ts';
import type { Live, RunOptions, Sandbox } from '../rig/sandbox.ts';

export interface Running {
  readonly live: Live;
  readonly program: Program;
  /** `start -ai` of the same container, once it has ended. */
  again(): Promise<Running>;
}

/** `run -i OPTIONS base PROGRAM`: resolves when config.json says that it runs and the program answers. */
export async function running(
  box: Sandbox,
  name: string,
  options: readonly string[] = [],
  { runOptions = {}, image = 'base' }: { runOptions?: RunOptions; image?: string } = {},
): Promise<Running> {
  const plan = programOverStreams();
  const follow = async (args: readonly string[]): Promise<Running> => {
    const live = box.start(args, { ...runOptions, stdin: 'open' });
    const program = plan.connect(live.child.stdin!, live.child.stdout);
    await program.say('true');
    await state(box, name, (found) => found.Running);
    return { live, program, again: () => follow(['start', '-a', '-i', name]) };
  };
  return follow(['run', '-i', '--net', 'none', '--name', name, ...options, image, ...plan.argv]);
}

/** config.json of a container; undefined where there is none of that name. */
export function stored(box: Sandbox, name: string): Container | undefined {
  const folder = join(box.root, 'containers');
  return readdirSync(folder)
    .map((id) => {
      try {
        return JSON.parse(readFileSync(join(folder, id, 'config.json'), 'utf8')) as Container;
      } catch {
        return undefined;
      }
    })
    .find((container) => container?.Name === `/${name}`);
}

/** Waits until the state on disk is as wanted; the test's own time limit ends it. */
export async function state(
  box: Sandbox,
  name: string,
  wanted: (state: Container['State']) => boolean,
): Promise<Container['State']> {
  for (;;) {
    const found = stored(box, name);
    if (found !== undefined && wanted(found.State)) return found.State;
    await pause(5);
  }
}

export interface SeenEvent {
  readonly action: string;
  readonly id: string;
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** The events about one container, as they stand in the file. */
export function eventsOf(box: Sandbox, id: string): string[] {
  return readFileSync(join(box.root, 'events.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as SeenEvent)
    .filter((event) => event.id === id)
    .map(({ action, attributes }) => [action, ...Object.values(attributes)].join(' '));
}
