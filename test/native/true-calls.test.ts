/**
 * What a card shows as "the kernel was asked" is what the kernel was asked: a real run beneath strace, and its record
 * beside what strace saw. dockerinit's record must be complete for the calls of {@link FIXED}, call by call, in order; the
 * daemon's, where each entry is one system call, must be there in order, and nothing may be mounted or cloned unrecorded.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CAPABILITY_NAMES } from '../../src/kernel/capability-names.ts';
import type { Call } from '../../src/kernel/calls.ts';
import { launch, sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';
import { canonical, tracedBut, tracedOf, splitArguments, type Traced } from './strace.ts';
import type { Request, Said, Told } from './true-calls-worker.ts';

const checkout = join(import.meta.dirname, '../..');

/** Of these dockerinit keeps no call to itself. */
const FIXED = [
  ...[
    'mount',
    'umount2',
    'pivot_root',
    'open_tree',
    'move_mount',
    'mount_setattr',
    'setns',
    'chdir',
    'fchdir',
  ],
  ...['openat', 'openat2', 'mkdirat', 'mknodat', 'symlinkat', 'unlinkat', 'write', 'fchown', 'umask', 'dup3'],
  ...[
    'sethostname',
    'setsid',
    'prctl',
    'capset',
    'setgroups',
    'setresgid',
    'setresuid',
    'prlimit64',
    'seccomp',
  ],
  ...['close_range', 'ioctl', 'sendto', 'execve'],
];

/** Of the daemon: those of its calls that are written down as they are made. */
const DAEMONS = [
  'mount',
  'openat2',
  'mkdir',
  'socketpair',
  'memfd_create',
  'rmdir',
  'symlink',
  'pidfd_open',
  'clone3',
];

const RUNS: readonly (readonly [what: string, request: Request])[] = [
  ['nothing asked for', { command: ['true'], options: {} }],
  [
    '--net none -u nobody -w /tmp',
    { command: ['true'], options: { net: 'none', user: 'nobody', workdir: '/tmp' } },
  ],
  [
    '--read-only, volumes ro and rw',
    { command: ['true'], options: { readOnly: true, volume: ['SHARED:/deep/er/rw', 'SHARED:/ro:ro'] } },
  ],
  [
    '--cap-drop all --cap-add two',
    { command: ['true'], options: { capDrop: ['ALL'], capAdd: ['CHOWN', 'NET_ADMIN'] } },
  ],
  ['limits', { command: ['true'], options: { memory: '64m', cpus: '0.5', pidsLimit: '20' } }],
  [
    '--net host, environment',
    { command: ['sh', '-c', 'exit 3'], options: { net: 'host', env: ['A=b', 'C=d e'] } },
  ],
];

interface Beneath {
  readonly said: Said;
  /** dockerinit's, from its first instruction to the program's. */
  readonly init: readonly Traced[];
  readonly daemon: readonly Traced[];
}

describe.skipIf(skipUnlessRoot() || skipUnlessProgram('strace'))(
  'the record of a run is what strace saw',
  () => {
    let box: Sandbox;
    let worker = '';
    beforeAll(async () => {
      box = await sandbox({ manual: true });
      worker = bundled();
      mkdirSync(join(box.folder, 'shared'));
      expect(await box.run(['run', '--rm', 'base', 'true'])).toMatchObject({ code: 0 });
    });
    afterAll(() => box.dispose());

    async function beneathStrace(name: string, request: Request): Promise<Beneath> {
      const folder = join(box.folder, name);
      mkdirSync(folder);
      const out = join(folder, 'said.json');
      const asked = JSON.stringify(request).replaceAll('SHARED', join(box.folder, 'shared'));
      // Long strings whole, environment and addresses not: -v is left out on purpose.
      const strace = ['-ff', '-qq', '-ttt', '-s', '4096', '-o', join(folder, 's')];
      const wanted = `trace=${[...FIXED, ...DAEMONS, 'execveat'].join(',')}`;
      const node = [process.execPath, worker, box.root, out, asked];
      const done = await launch('strace', [...strace, '-e', wanted, ...node]).done;
      expect(done).toMatchObject({ code: 0, stderr: '' });
      const said = JSON.parse(readFileSync(out, 'utf8')) as Said;
      const child = tracedOf(folder, said.child);
      const begins = child.findIndex(({ call }) => call === 'execveat');
      const ends = child.findIndex(({ call }) => call === 'execve');
      expect(begins).toBeGreaterThanOrEqual(0);
      expect(ends).toBeGreaterThan(begins);
      return { said, init: child.slice(begins + 1, ends + 1), daemon: tracedBut(folder, said.child) };
    }

    test.each(RUNS)('%s', async (what, request) => {
      const { said, init, daemon } = await beneathStrace(what.replace(/\W+/g, '-'), request);
      expect(said.exitCode).toBe(request.command.length > 1 ? 3 : 0);

      const told = said.steps.filter(({ step }) => step.startsWith('init.'));
      const seen = init.filter(({ call, args }) => FIXED.includes(call) && !isLibrarys(call, args));
      expect(toldLines(told)).toEqual(seenLines(seen, told));
      expect(toldLines(told).length).toBeGreaterThan(60);

      const daemons = said.steps.filter(({ step }) => /^(host|create|start|launch|exit)\./.test(step));
      const record = daemons.flatMap(({ calls }) => calls).filter(({ call }) => DAEMONS.includes(call));
      expect(notInOrder(record.map(lineOfDaemon), daemon.map(lineOfStrace))).toEqual([]);
      for (const name of ['mount', 'clone3']) {
        const real = daemon.filter(({ call, args }) => call === name && !isThread(call, args));
        expect(real).toHaveLength(record.filter(({ call }) => call === name).length);
        expect(real.length).toBeGreaterThan(0);
      }
    });

    test('this comparison can fail: another flag, another order, one call too few', () => {
      const mount: Traced = {
        call: 'mount',
        args: ['"a"', '"b"', '"c"', 'MS_BIND|MS_REC', 'NULL'],
        result: '0',
      };
      const chdir: Traced = { call: 'chdir', args: ['"/"'], result: 'ENOENT' };
      const line = lineOfStrace(mount);
      expect(lineOfStrace({ ...mount, args: mount.args.with(3, 'MS_REC|MS_BIND') })).toBe(line);
      expect(lineOfStrace({ ...mount, args: mount.args.with(3, 'MS_REC') })).not.toBe(line);
      expect(lineOfStrace({ ...mount, result: 'EPERM' })).not.toBe(line);
      expect(notInOrder([line, lineOfStrace(chdir)], [lineOfStrace(chdir), line])).toEqual([
        lineOfStrace(chdir),
      ]);
      expect(notInOrder([line, line], [line])).toEqual([line]);
      expect(splitArguments('{a=[1, 2], b="x, \\"y"}, "z, ", 3')).toEqual([
        '{a=[1, 2], b="x, \\"y"}',
        '"z, "',
        '3',
      ]);
    });
  },
);

function bundled(): string {
  const outfile = join(checkout, '.cache/test/true-calls-worker.cjs');
  const file = join(import.meta.dirname, 'true-calls-worker.ts');
  const how = ['--bundle', '--platform=node', '--target=node20', '--format=cjs', '--log-level=warning'];
  const defines = ['--define:import.meta.dirname=__dirname', '--define:import.meta.filename=__filename'];
  const esbuild = join(checkout, 'node_modules/.bin/esbuild');
  execFileSync(esbuild, [file, ...how, ...defines, '--external:libsql', `--outfile=${outfile}`]);
  return outfile;
}

/** The C library's own start asks for a limit, and sets none. */
const isLibrarys = (call: string, args: readonly string[]): boolean =>
  call === 'prlimit64' && args[2] === 'NULL';

const isThread = (call: string, args: readonly string[]): boolean =>
  call === 'clone3' && /CLONE_THREAD/.test(args[0] ?? '');

// --- one line per call, the same from both sides --------------------------------------------------------------------

const spelled = (arg: string): string => canonical(arg, CAPABILITY_NAMES);

function lineOfStrace({ call, args, result }: Traced): string {
  return `${call}(${argumentsOf(call, args).map(spelled).join(', ')}) = ${resultOf({ call, args, result })}`;
}

function argumentsOf(call: string, args: readonly string[]): readonly string[] {
  switch (call) {
    case 'prctl':
      // The rest of the five are zeros.
      return args.slice(0, 2);
    case 'memfd_create':
      // An older strace knows the flag by its number alone.
      return args.map((arg) => arg.replace(/\|?(MFD_EXEC|0x10\b)/, ''));
    case 'socketpair':
      return args.slice(0, 3);
    case 'clone3': {
      const flags = /flags=([A-Z_|]+)/.exec(args[0] ?? '')?.[1] ?? '';
      return [flags, /exit_signal=(\w+)/.exec(args[0] ?? '')?.[1] ?? ''];
    }
    case 'sendto':
      return [args[0] ?? '', netlinkType(args[1] ?? '')];
    default:
      return args;
  }
}

const NETLINK: Readonly<Record<string, string>> = {
  '16': 'RTM_NEWLINK',
  '20': 'RTM_NEWADDR',
  '24': 'RTM_NEWROUTE',
};

/** Both say which message; the record says in words what strace shows as bytes. */
function netlinkType(arg: string): string {
  const said = /^(RTM_\w+)/.exec(arg)?.[1];
  if (said !== undefined) return said;
  const number = /nlmsg_type=(0x[0-9a-f]+|RTM_\w+)/.exec(arg)?.[1] ?? '';
  return number.startsWith('RTM_') ? number : (NETLINK[Number(number).toString()] ?? number);
}

/** strace writes modes in octal; sendto's answer comes in another message, which the record has waited for. */
function resultOf({ call, args, result }: Traced): string {
  if (call === 'umask') return Number.parseInt(result, 8).toString();
  // The two descriptors: strace has them among the arguments, the record as what the call gave.
  if (call === 'socketpair') return args[3] ?? result;
  if (call === 'sendto') return /^\d+$/.test(result) ? '0' : result;
  return result;
}

const MOST = 190;

/** A record is cut at 200 characters, the daemon's at 120: as far as it goes it must be right. */
function sameUpToCut(told: string, seen: string): boolean {
  const cut = told.search(/(?:\.\.\.|…)"?/);
  return told === seen || (cut >= 0 && cut >= 100 && seen.startsWith(told.slice(0, cut)));
}

function toldLines(told: readonly Told[]): string[] {
  return told.flatMap(({ step, calls, more }) => [
    ...calls.filter(({ call }) => FIXED.includes(call)).map((call) => `${step}: ${lineOfInit(call)}`),
    ...Array.from({ length: more }, () => `${step}: not listed`),
  ]);
}

function lineOfInit(call: Call): string {
  const result = call.errno === '' ? call.result : call.errno;
  // A number where strace has octal: brought to its spelling first.
  const spelledResult = call.call === 'umask' ? Number(result).toString(8) : result;
  return lineOfStrace({ call: call.call, args: call.args, result: spelledResult });
}

/** strace knows no steps: each of its calls is put beside the one of the record, whose step and whose cuts it takes over. */
function seenLines(seen: readonly Traced[], told: readonly Told[]): string[] {
  const record = toldLines(told);
  return seen.map((call, index) => {
    const beside = record[index] ?? '';
    const [step = ''] = beside.split(': ', 1);
    const line = `${step}: ${lineOfStrace(call)}`;
    return beside === `${step}: not listed` || (beside.length > MOST && sameUpToCut(beside, line))
      ? beside
      : line;
  });
}

function lineOfDaemon(call: Call): string {
  return lineOfStrace({
    call: call.call,
    args: call.args,
    result: call.errno === '' ? call.result : call.errno,
  });
}

/** What of `wanted` does not stand in `all`, in its order. */
function notInOrder(wanted: readonly string[], all: readonly string[]): string[] {
  let at = 0;
  return wanted.filter((line) => {
    const found = all.findIndex((each, index) => index >= at && sameUpToCut(line, each));
    if (found >= 0) at = found + 1;
    return found < 0;
  });
}
