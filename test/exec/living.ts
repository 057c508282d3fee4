/** A container that lives while a test execs into it, and does what the test tells it (test/rig/program.ts). */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import { startTimeOf } from '../../src/kernel/append.ts';
import type { RuntimeState } from '../../src/daemon/model.ts';
import { programOverStreams, type Program } from '../rig/program.ts';
import type { Live, Sandbox } from '../rig/sandbox.ts';

export interface Living {
  readonly id: string;
  readonly live: Live;
  readonly program: Program;
  readonly state: RuntimeState;
  /** Host pids in its cgroup, its first process among them. */
  members(): number[];
  /** Resolves when the first process is alone. */
  alone(): Promise<void>;
  end(): Promise<number | null>;
  /** Pid of the ts-dock of this root that runs `command`. */
  tsDock(command: string): Promise<number>;
}

function isTsDock(pid: number, words: readonly string[]): boolean {
  try {
    const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return argv.some((word) => word.endsWith('ts-dock.cjs')) && words.every((word) => argv.includes(word));
  } catch {
    return false;
  }
}

async function until<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    const seen = await look();
    if (seen !== undefined) return seen;
    await pause(5);
  }
  throw new Error('what was waited for did not come');
}

export async function living(box: Sandbox, name: string, options: readonly string[] = []): Promise<Living> {
  const plan = programOverStreams();
  const live = box.start(['run', '--rm', '-i', '--name', name, ...options, 'base', ...plan.argv], {
    stdin: 'open',
    timeout: 300_000,
  });
  const program = plan.connect(live.child.stdin!, live.child.stdout);
  await program.say('cd /');
  const id = await until(async () => {
    const listed = JSON.parse((await box.run(['ps', '--json'])).stdout) as { ID: string; Name: string }[];
    return listed.find(({ Name }) => Name === name)?.ID;
  });
  const bundle = join(box.root, 'execdriver/native', id);
  const state = JSON.parse(readFileSync(join(bundle, 'state.json'), 'utf8')) as RuntimeState;
  const [folder = ''] = Object.values(state.cgroup_paths);
  const members = (): number[] =>
    readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  return {
    id,
    live,
    program,
    state,
    members,
    alone: async () => {
      await until(() => (members().length === 1 ? true : undefined));
      expect(members()).toEqual([state.init_pid]);
    },
    tsDock: (command) =>
      until(() =>
        readdirSync('/proc')
          .map(Number)
          .find((pid) => pid > 0 && isTsDock(pid, [box.root, command])),
      ),
    end: async () => {
      program.end();
      return (await live.done).code;
    },
  };
}

/** It runs, and is the one that it was. */
export function expectUnharmed({ state }: Living): void {
  expect(startTimeOf(state.init_pid)).toBe(state.init_start_time);
}
