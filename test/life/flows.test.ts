/** What can be asked about the flow of `stop` without running anything: no root, no Linux. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { signalName, signalNumber } from '../../src/daemon/signals.ts';
import { parseNetDev } from '../../src/daemon/stats.ts';
import { FLOWS } from '../../src/flows/all.ts';
import { launch } from '../rig/sandbox.ts';

const bundle = join(import.meta.dirname, '../../dist/ts-dock.cjs');
const folder = mkdtempSync(join(tmpdir(), 'ts-dock-flows-'));
afterAll(() => rmSync(folder, { recursive: true }));
const run = (...args: string[]): ReturnType<typeof launch>['done'] =>
  launch(process.execPath, [bundle, '--root', join(folder, 'root'), ...args]).done;

describe('the flows', () => {
  it.each(Object.keys(FLOWS))('%s is listed by name', async (name) => {
    const { code, stdout } = await run('steps', name, '--json');
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { id: string }[]).map(({ id }) => id)).toEqual(
      FLOWS[name]?.map(({ id }) => id),
    );
  });

  it('without a name are run', async () => {
    expect((await run('steps')).stdout).toBe((await run('steps', 'run')).stdout);
  });

  it.each(['nothing', 'constructor', '__proto__'])('have none called %s', async (name) => {
    const done = await run('steps', name);
    expect(done).toMatchObject({ code: 125, stdout: '' });
    expect(done.stderr).toContain(`there is no flow "${name}"`);
  });

  it('are explained: a step, a stage, and what is misspelt', async () => {
    expect((await run('explain', 'stop.request')).stdout).toContain('StopRequested');
    expect((await run('explain', 'stop')).stdout).toContain('stage stop');
    const done = await run('explain', 'stop.kil');
    expect(done.code).toBe(125);
    expect(done.stderr).toContain('stop.kill');
  });
});

describe('the help', () => {
  it('has every command under a heading that says what it is about', async () => {
    const { stdout } = await run('--help');
    const headings = [...stdout.matchAll(/^(\S.*):$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual([
      'Options',
      'Make and run containers',
      'End them, and change them',
      'See what there is',
      'Images',
      'Understand it',
      'This machine, and ts-dock on it',
      'Examples',
    ]);
    const machine = /^This machine[^]*?\n\n/m.exec(stdout)?.[0] ?? '';
    expect([...machine.matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name)).toEqual(
      expect.arrayContaining(['recover', 'host', 'doctor', 'uninstall', 'version', 'help']),
    );
    expect(machine).not.toMatch(/^ {2}(run|stop|ps|steps) /m);
  });
});

describe('a signal', () => {
  it.each([
    ['TERM', 15],
    ['sigterm', 15],
    ['15', 15],
    ['RTMIN', 34],
    ['SIGRTMIN+3', 37],
    ['rtmax-1', 63],
    ['64', 64],
    ['0', undefined],
    ['65', undefined],
    ['RTMIN-1', undefined],
    ['RTMAX+1', undefined],
    ['TERMINATE', undefined],
    ['', undefined],
    ['-9', undefined],
    ['9 ', undefined],
  ])('%j is %s', (text, number) => {
    expect(signalNumber(text)).toBe(number);
  });

  it('has a name of which it can be made again', () => {
    for (let number = 1; number <= 64; number++)
      if (number < 32 || number > 33) expect(signalNumber(signalName(number))).toBe(number);
  });
});

it('/proc/PID/net/dev is added up without lo, whatever interfaces are called', () => {
  const text = [
    'Inter-|   Receive                                                |  Transmit',
    ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
    '    lo: 9999 1 0 0 0 0 0 0 9999 1 0 0 0 0 0 0',
    '  eth0: 100 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0',
    'a:lo: b:7 1 0 0 0 0 0 0 3 1 0 0 0 0 0 0',
  ].join('\n');
  expect(parseNetDev(text)).toEqual({ received: 107, sent: 13 });
});
