/**
 * A dockerinit that misbehaves in every way: the daemon neither hangs nor believes it. The fake is a real process at the
 * other end of a real sync pipe; what it does stands in each test.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { FRAME_LIMIT, Handshake } from '../../src/daemon/handshake.ts';
import { stillDockerinit } from '../../src/daemon/processes.ts';
import { TsDockError } from '../../src/engine/failure.ts';
import type { StepId } from '../../src/engine/step.ts';
import { O } from '../../src/kernel/flags.ts';
import { Kernel } from '../../src/kernel/kernel.ts';

const STEPS: readonly StepId[] = ['init.read-args', 'init.join-cgroups', 'init.exec'];
const enter = (step: string): unknown[] => ['send', { t: 'enter', step, at: 1 }];
const leave = (step: string): unknown[] => [
  'send',
  { t: 'leave', step, start: 1, at: 2, calls: [], more: 0, notes: {} },
];
const READY = ['send', { t: 'ready', start: 1, at: 2, calls: [], more: 0, notes: {} }];
const ARRIVED = [enter('init.read-args'), ['await', 'go'], leave('init.read-args')];
const JOINED = [
  ...ARRIVED,
  enter('init.join-cgroups'),
  ['await', 'join'],
  ['send', { t: 'joined' }],
  leave('init.join-cgroups'),
];
const AT_EXEC = [...JOINED, enter('init.exec'), READY];

interface Fake {
  readonly handshake: Handshake;
  readonly pid: number;
  readonly pidfd: number;
}

const sys = new Kernel();
const fakes: Fake[] = [];

function fake(actions: readonly unknown[], options: { gated?: boolean; deadlineMs?: number } = {}): Fake {
  const [parent, child] = sys.socketpair();
  const exe = sys.openat2(-100, '/usr/bin/python3', O.RDONLY | O.CLOEXEC, 0, 0);
  const argv = ['python3', '-I', `${import.meta.dirname}/fake-init.py`, JSON.stringify(actions)];
  const { pid, pidfd } = sys.clone({ exe, argv, env: [], flags: 0, cwd: '/', fds: [0, 1, 2, child] });
  sys.close(exe);
  sys.close(child);
  const { gated = false, deadlineMs = 10_000 } = options;
  const handshake = new Handshake({ sys, pipe: parent, pidfd, steps: STEPS, gated, deadlineMs });
  if (!gated) handshake.permit('init.exec');
  handshake.sendJoin([]);
  const made = { handshake, pid, pidfd };
  fakes.push(made);
  return made;
}

/** Walks all steps as the flow would; the reason of the first failure. */
async function walk({ handshake }: Fake): Promise<{ reason: string; message: string }> {
  try {
    await handshake.left('init.read-args');
    await handshake.left('init.join-cgroups');
    await handshake.ready();
    await handshake.over();
    return { reason: 'believed', message: '' };
  } catch (error) {
    if (!(error instanceof TsDockError)) throw error;
    return { reason: error.reason, message: error.message };
  }
}

afterEach(async () => {
  for (const { handshake, pidfd } of fakes.splice(0)) {
    handshake.close();
    try {
      sys.pidfdSend(pidfd, 9);
    } catch {
      // It ended by itself.
    }
    await sys.readable(pidfd);
    sys.waitPidfd(pidfd);
    sys.close(pidfd);
  }
});

describe('a dockerinit that behaves', () => {
  it('is walked to its end of file', async () => {
    expect(await walk(fake([...AT_EXEC, ['exit', 0]]))).toEqual({ reason: 'believed', message: '' });
  });

  it('waits for a permission at each step when somebody may stop there', async () => {
    const gated = [
      enter('init.read-args'),
      ['await', 'go'],
      leave('init.read-args'),
      enter('init.join-cgroups'),
      ['await', 'join'],
      ['send', { t: 'joined' }],
      ['await', 'go'],
    ];
    const one = fake(
      [...gated, leave('init.join-cgroups'), enter('init.exec'), ['await', 'go'], READY, ['exit', 0]],
      { gated: true },
    );
    expect(await walk(one)).toEqual({ reason: 'believed', message: '' });
  });
});

describe('what may not come now ends the handshake', () => {
  it.each([
    ['a step out of order', [enter('init.join-cgroups')], 'handshake', 'may not come now'],
    ['the same step twice', [...ARRIVED, enter('init.read-args')], 'handshake', 'may not come now'],
    ['leaving what was not entered', [leave('init.read-args')], 'handshake', 'may not come now'],
    ['a step that nobody knows', [enter('init.mine-bitcoin')], 'handshake', 'may not come now'],
    ['ready before the steps', [READY], 'handshake', '`ready`'],
    ['ready twice', [...AT_EXEC, READY, ['hang']], 'handshake', '`ready`'],
    ['a step after ready', [...AT_EXEC, enter('init.exec'), ['hang']], 'handshake', 'may not come now'],
    [
      'joined twice',
      [...ARRIVED, enter('init.join-cgroups'), ['send', { t: 'joined' }], ['send', { t: 'joined' }]],
      'handshake',
      '`joined`',
    ],
    ['joined before its step', [['send', { t: 'joined' }]], 'handshake', '`joined`'],
    [
      'leaving the join without joined',
      [...ARRIVED, enter('init.join-cgroups'), ['await', 'join'], leave('init.join-cgroups')],
      'handshake',
      'may not come now',
    ],
    ['an unknown frame', [['send', { t: 'sudo' }]], 'handshake', '`sudo`'],
    ['a frame of the daemon', [['send', { t: 'go', through: 'init.exec' }]], 'handshake', '`go`'],
    ['a frame without a type', [['send', { step: 'init.read-args' }]], 'handshake', 'no JSON object'],
    ['a list for a frame', [['send', []]], 'handshake', 'no JSON object'],
    ['garbage', [['raw', '00000004ffffffff']], 'handshake', 'no JSON object'],
    ['a length of 4 GiB', [['raw', 'ffffffff']], 'handshake', '4294967295 bytes'],
    [
      'one byte too many',
      [['raw', (FRAME_LIMIT + 1).toString(16).padStart(8, '0')]],
      'handshake',
      `${(FRAME_LIMIT + 1).toString()} bytes`,
    ],
    ['a descriptor that nobody asked for', [enter('init.read-args'), ['fd']], 'handshake', 'descriptor'],
    [
      'half a frame and its end',
      [...AT_EXEC, ['raw', '000000ff7b'], ['exit', 0]],
      'handshake',
      'half a frame',
    ],
    [
      'half a length and its end',
      [
        ['raw', '0000'],
        ['exit', 0],
      ],
      'init-died',
      'without a word',
    ],
    ['an early end', [enter('init.read-args'), ['exit', 0]], 'init-died', 'init.read-args'],
    ['nothing but an end', [['exit', 0]], 'init-died', 'without a word'],
    ['death by a signal', [...ARRIVED, ['kill']], 'init-died', 'init.join-cgroups'],
    ['closing the pipe and living on', [...ARRIVED, ['close'], ['hang']], 'init-died', 'init.join-cgroups'],
    [
      'death while a grandchild holds the pipe',
      [...ARRIVED, ['spawn-holder'], ['exit', 0]],
      'init-died',
      'init.join-cgroups',
    ],
    [
      'a failure of another step',
      [
        enter('init.read-args'),
        ['send', { t: 'fail', step: 'init.exec', call: 'execve', args: [], errno: 2, detail: '' }],
      ],
      'handshake',
      'may not come now',
    ],
  ])('%s', async (_what, actions, reason, words) => {
    const outcome = await walk(fake(actions));
    expect(outcome.reason).toBe(reason);
    expect(outcome.message).toContain(words);
  });

  it('leaving without a permission, where each step needs one', async () => {
    // Nobody asks for the step, so nobody permits it, however late its frames come.
    const { handshake } = fake([enter('init.read-args'), leave('init.read-args'), ['hang']], { gated: true });
    await expect(handshake.over()).rejects.toMatchObject({ reason: 'handshake' });
  });

  it('silence, past the deadline', async () => {
    const outcome = await walk(fake([enter('init.read-args'), ['hang']], { deadlineMs: 150 }));
    expect(outcome).toEqual({
      reason: 'handshake',
      message: 'dockerinit said nothing for 0.15 s at init.read-args',
    });
  });

  it('silence after ready, past the deadline', async () => {
    expect((await walk(fake([...AT_EXEC, ['hang']], { deadlineMs: 500 }))).reason).toBe('handshake');
  });
});

describe('what it says of a failure', () => {
  const failAtExec = (errno: number): unknown[] => [
    ...JOINED,
    enter('init.exec'),
    ['send', { t: 'fail', step: 'init.exec', call: 'execve', args: ['"/x"'], errno, detail: '' }],
    ['exit', 1],
  ];

  it.each([
    [2, 'not-found'],
    [13, 'not-executable'],
    [8, 'not-executable'],
    [12, 'init-failed'],
  ])('errno %i of execve is %s', async (errno, reason) => {
    expect((await walk(fake(failAtExec(errno)))).reason).toBe(reason);
  });

  it('a failure after ready is believed, once', async () => {
    const refused = [
      'send',
      { t: 'fail', step: 'init.exec', call: 'execve', args: ['"/x"'], errno: 8, detail: '' },
    ];
    expect((await walk(fake([...AT_EXEC, refused, refused, ['exit', 126]]))).reason).toBe('not-executable');
  });

  it('control characters of an image do not reach the terminal', async () => {
    const fail = [
      'send',
      { t: 'fail', step: 'init.read-args', call: 'open', args: ['\u001b[2J'], errno: 2, detail: '\u009b31m' },
    ];
    const { message } = await walk(fake([enter('init.read-args'), fail]));
    expect(message).toContain('\\x1b[2J');
    expect(message).toContain('\\x9b31m');
  });
});

describe('ready and then death', () => {
  it('is seen by the name of the process that nobody has reaped', async () => {
    const one = fake([['name', 'ts-dock:[INIT]'], ...AT_EXEC, ['kill']]);
    expect((await walk(one)).reason).toBe('believed');
    await sys.readable(one.pidfd);
    expect(stillDockerinit(sys, one.pid)).toBe(true);
  });

  it('is not seen where the program had begun', async () => {
    const one = fake([['name', 'sh'], ...AT_EXEC, ['exit', 0]]);
    await walk(one);
    await sys.readable(one.pidfd);
    expect(stillDockerinit(sys, one.pid)).toBe(false);
  });
});
