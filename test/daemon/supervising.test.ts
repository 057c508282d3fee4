/** What the supervision of containers rests on, without containers: who a process is, when to try again, what is recorded. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { EMPTY_HOST_CONFIG } from '../../src/daemon/model.ts';
import { becameProgram } from '../../src/daemon/processes.ts';
import { nextAfterFailure } from '../../src/daemon/restart-policy.ts';
import { AppendFile } from '../../src/kernel/append.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

/** A process that looks each time as the next of these says: its name, its state. */
class Seen extends Kernel {
  private readonly looks: (readonly [name: string, state: string])[];
  constructor(...looks: (readonly [name: string, state: string])[]) {
    super();
    this.looks = looks;
  }
  override readIfThere(path: string): string | undefined {
    const [name, state] = this.looks[0]!;
    if (this.looks.length > 1) this.looks.shift();
    return path.endsWith('/comm') ? `${name}\n` : `1 (${name}) ${state} 0`;
  }
}
const INIT = 'ts-dock:[INIT]';

describe('whether dockerinit became the program', () => {
  it.each([
    ['it did', [['sleep', 'R']], true],
    [
      'execve has closed the pipe and not set the name yet',
      [
        [INIT, 'R'],
        [INIT, 'R'],
        [INIT, 'R'],
        ['sh', 'R'],
      ],
      true,
    ],
    ['it died before', [[INIT, 'Z']], false],
    [
      'it dies after the first look',
      [
        [INIT, 'R'],
        [INIT, 'R'],
        [INIT, 'Z'],
      ],
      false,
    ],
    [
      'it did, and ended between two looks',
      [
        [INIT, 'R'],
        ['true', 'Z'],
      ],
      true,
    ],
    ['it has a name with brackets in it', [['a) Z (b', 'R']], true],
  ] as const)('is known when %s', async (_, looks, became) => {
    expect(await becameProgram(new Seen(...looks), 1)).toBe(became);
  });
});

describe('the attempt after one that could not even begin', () => {
  const policy = (Name: string, MaximumRetryCount = 0) => ({
    ...EMPTY_HOST_CONFIG,
    RestartPolicy: { Name, MaximumRetryCount },
  });
  it.each([
    ['always', 0, { delay: 400, failures: 3 }],
    ['on-failure', 0, { delay: 400, failures: 3 }],
    ['on-failure', 3, { delay: 400, failures: 3 }],
    ['on-failure', 2, undefined],
    ['no', 0, undefined],
    ['', 0, undefined],
  ])('with %s:%d', (name, most, next) => {
    expect(nextAfterFailure(policy(name, most), { delay: 200, failures: 2 })).toEqual(next);
  });
});

it('what the kernel was asked is kept only up to a limit, and the rest is counted', () => {
  const sys = new Kernel();
  for (let n = 0; n < 10_003; n += 1) sys.exists('/');
  const { calls, more } = sys.takenOf();
  expect([calls.length, more]).toEqual([10_000, 3]);
  expect(sys.takenOf()).toEqual({ calls: [], more: 0 });
});

describe.skipIf(skipUnlessRoot())('a journal on a full disk', () => {
  it('has no half line, so that the next one is whole', () => {
    const disk = mkdtempSync(join(tmpdir(), 'ts-dock-pen-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', disk]);
    try {
      const path = join(disk, 'journal');
      const pen = AppendFile.open(path, true);
      pen.append('first\n');
      expect(() => {
        pen.append(`${'x'.repeat(32_768)}\n`);
      }).toThrow('ENOSPC');
      expect(statSync(path).size).toBe(6);
      pen.append('second\n');
      pen.close();
      expect(readFileSync(path, 'utf8')).toBe('first\nsecond\n');
    } finally {
      execFileSync('umount', [disk]);
      rmSync(disk, { recursive: true });
    }
  });
});
