/** `ts-dock top`: the container's processes, and no others. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TopEntry } from '../../src/daemon/top.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { living, type Living } from './living.ts';

describe.skipIf(skipUnlessRoot())('top', () => {
  let box: Sandbox;
  let web: Living;
  beforeAll(async () => {
    box = await sandbox({ manual: true });
    web = await living(box, 'web');
  });
  afterAll(async () => {
    await web.end();
    await box.dispose();
  });

  test('lists the first process and what was executed, as whom and since when', async () => {
    expect((await box.run(['exec', '-d', '-u', 'nobody', 'web', 'sleep', '1007'])).code).toBe(0);
    const entries = JSON.parse((await box.run(['top', 'web', '--json'])).stdout) as TopEntry[];
    expect(entries.map(({ PID }) => PID)).toEqual(web.members().sort((a, b) => a - b));
    expect(entries.map(({ UID }) => UID)).toEqual([0, 65534]);
    expect(entries[0]).toMatchObject({ PID: web.state.init_pid, PPID: web.live.pid, TTY: '?', TIME: 0 });
    expect(entries[1]?.CMD).toBe('sleep 1007');
    expect(Math.abs(Date.now() - Date.parse(entries[1]!.STIME))).toBeLessThan(60_000);
    const { stdout } = await box.run(['top', 'web']);
    expect(stdout).toMatch(/^UID +PID +PPID +C +STIME +TTY +TIME +CMD$/m);
    expect(stdout).toMatch(/^65534 +\d+ +\d+ +\d+ +\d\d:\d\d +\? +00:00:00 +sleep 1007$/m);
    await web.program.say('killall sleep');
    await web.alone();
  });

  test('what a process calls itself reaches no terminal as it is', async () => {
    await box.run(['exec', '-d', 'web', 'sh', '-c', 'exec sleep 1008', '\u001b[31mred']);
    await box.run(['exec', '-d', 'web', 'sh', '-c', 'while :; do sleep 0.1; done', '\u001b[31mred']);
    const { stdout } = await box.run(['top', 'web']);
    expect(stdout).toContain('\\e[31mred');
    expect(stdout).not.toContain('\u001b[31m');
    await web.program.say('kill -9 -1; killall -9 sleep; pkill -9 -f red');
  });

  test('refused for a container that is not there, or does not run', async () => {
    expect(await box.run(['top', 'nobody'])).toMatchObject({ code: 125 });
    await box.run(['create', '--name', 'idle', 'base', 'true']);
    const refused = await box.run(['top', 'idle']);
    expect(refused.code).toBe(125);
    expect(refused.stderr).toContain('cannot list the processes of idle: the container is not running');
    await box.run(['rm', 'idle']);
  });
});
