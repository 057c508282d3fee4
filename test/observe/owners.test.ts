/** Two runs at once: what one looks at shows what the other does, marked as not its own. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { diffText } from '../../src/cli/render/answers.ts';
import { plainStyle } from '../../src/cli/render/style.ts';
import { placeOf } from '../../src/daemon/place.ts';
import { OBSERVERS, type Change, type Observation, type Subject } from '../../src/observe/names.ts';
import { compare, observe } from '../../src/observe/observe.ts';
import { theirsIn } from '../../src/observe/owners.ts';
import { programOverFifos, type Program } from '../rig/program.ts';
import { sandbox, type Live, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';

const A = 'aa'.repeat(32);
const B = 'bb'.repeat(32);
const subject: Subject = { root: '/r', cgroupParent: 'p', bridge: 'br', containerId: A };

describe('whose a line is', () => {
  test('links: the ends of other containers, with their addresses and routes; never the bridge', () => {
    const lines = {
      'host br': 'bridge up mtu 1500 alias tsdock:br',
      'host veth1': `veth up master br alias tsdock:${A.slice(0, 12)}`,
      'host veth2': `veth up master br alias tsdock:${B.slice(0, 12)}`,
      'host veth2 addresses': '10.0.0.1/8',
      'host veth3': 'veth up master br',
      'host route 10.0.0.0/8': 'dev veth2',
      'container eth0': 'veth up',
    };
    const theirs = ['host veth2', 'host veth2 addresses', 'host veth3', 'host route 10.0.0.0/8'];
    expect(theirsIn('links', lines, subject)).toEqual(theirs);
    const { containerId: _, ...nobody } = subject;
    expect(theirsIn('links', lines, nobody)).toEqual(['host veth1', ...theirs]);
  });

  test('store: containers by what lies beside them; images are of all', () => {
    const image = 'cc'.repeat(32);
    const lines = {
      [`containers/${A}`]: 'there',
      [`containers/${B}`]: 'there',
      [`overlay/${A}`]: 'there',
      [`overlay/${B}-init`]: 'there',
      [`overlay/${B}`]: 'there',
      [`overlay/${image}`]: 'there',
      'network/leases/1.2.3.4': A,
      'network/leases/1.2.3.5': B,
    };
    expect(theirsIn('store', lines, subject)).toEqual([
      `containers/${B}`,
      `overlay/${B}-init`,
      `overlay/${B}`,
      'network/leases/1.2.3.5',
    ]);
  });

  test('of what is gone the earlier look says whose it was, of the rest the later', () => {
    const look = (lines: Record<string, string>, theirs: string[]): Observation[] => [
      { observer: 'store', lines, theirs },
    ];
    expect(
      compare(look({ a: '1', b: '1', c: '1' }, ['a', 'b']), look({ b: '2', c: '2', d: '1' }, ['d'])),
    ).toEqual([
      { observer: 'store', key: 'b', before: '1', after: '2' },
      { observer: 'store', key: 'c', before: '1', after: '2' },
      { observer: 'store', key: 'd', after: '1', theirs: true },
      { observer: 'store', key: 'a', before: '1', theirs: true },
    ]);
  });

  test('it is said in words, as colours may be off', () => {
    const changes: Change[] = [
      { observer: 'links', key: 'host veth1', after: 'veth up' },
      { observer: 'links', key: 'host veth2', before: 'veth up', theirs: true },
    ];
    const text = diffText({ event: 'diff', step: 'exit.wait', changes }, plainStyle());
    expect(text).toContain('+ host veth1  veth up');
    expect(text).toContain('- not ours: host veth2  veth up');
    const coloured = diffText({ event: 'diff', step: 'exit.wait', changes }, plainStyle(80, 1));
    expect(coloured).toContain('\u001b[2m-');
  });
});

interface Running {
  readonly live: Live;
  readonly program: Program;
  readonly subject: Subject;
}

describe.skipIf(skipUnlessRoot())('two runs of one root', () => {
  let box: Sandbox;
  let place: ReturnType<typeof placeOf>;
  beforeAll(async () => {
    box = await sandbox({ manual: true });
    place = placeOf(box.root);
    expect(await box.run(['run', '--rm', 'base', 'true'])).toMatchObject({ code: 0 });
  });
  afterAll(() => box.dispose());

  async function start(name: string, ...options: string[]): Promise<Running> {
    const folder = join(box.folder, name);
    mkdirSync(folder);
    const plan = programOverFifos(folder, '/ctl');
    const args = ['run', '--rm', '--name', name, '-v', `${folder}:/ctl`, ...options, 'base', ...plan.argv];
    const live = box.start(args, { stdin: options.length === 0 ? '' : 'diff\ncontinue\n' });
    const program = plan.connect();
    await program.say(':');
    const id = readdirSync(place.containers).find((each) =>
      readFileSync(join(place.containers, each, 'config.json'), 'utf8').includes(`"/${name}"`),
    )!;
    // Written before the program runs; config.json says it only after.
    const bundle = join(place.execdriver, id, 'state.json');
    const { init_pid: pid } = JSON.parse(readFileSync(bundle, 'utf8')) as { init_pid: number };
    const { root, cgroupParent, bridge } = place;
    return { live, program, subject: { root, cgroupParent, bridge, containerId: id, pid } };
  }

  const look = (of: Subject): Observation[] => OBSERVERS.map((name) => observe(name, of));
  const end = async ({ live, program }: Running): Promise<string> => {
    program.end();
    const { stdout, stderr } = await live.done;
    program.close();
    return stdout + stderr;
  };

  test('what the other makes is marked, and nothing else is seen to change', async () => {
    const first = await start('first');
    const before = look(first.subject);
    const second = await start('second');
    execFileSync('iptables', ['-w', '-A', 'INPUT', '-s', '192.0.2.1', '-j', 'DROP']);
    try {
      const changes = compare(before, look(first.subject));
      const id = second.subject.containerId!;
      const theirs = changes.filter((change) => change.theirs === true);
      const keys = theirs.map(({ observer, key }) => `${observer}: ${key}`);
      expect(keys).toContain(`mounts: host overlay/mnt/${id}`);
      expect(keys).toContain(`cgroups: group of ${id.slice(0, 12)}`);
      expect(keys).toContain(`store: containers/${id}`);
      expect(keys).toContain('firewall: filter INPUT -s 192.0.2.1/32 -j DROP');
      expect(theirs.find(({ observer }) => observer === 'links')?.after).toContain(
        `alias tsdock:${id.slice(0, 12)}`,
      );
      // Counters of what all runs share may have moved; nothing has come or gone that would be ours.
      const ours = changes.filter((change) => change.theirs !== true);
      expect(ours.filter(({ observer }) => observer !== 'firewall')).toEqual([]);
      for (const { before: old, after } of ours)
        expect([old, after].join()).toMatch(/met \d+ packets?.*met \d+ packets?/);

      // The same look, by the other: it made all of that, but for the rule.
      const its = compare(before, look(second.subject)).filter((change) => change.theirs !== true);
      expect(its.map(({ key }) => key)).toEqual(
        expect.arrayContaining([
          `host overlay/mnt/${id}`,
          `containers/${id}`,
          expect.stringMatching(/^host veth/),
        ]),
      );
      expect(its.map(({ key }) => key)).not.toContain('filter INPUT -s 192.0.2.1/32 -j DROP');
    } finally {
      execFileSync('iptables', ['-w', '-D', 'INPUT', '-s', '192.0.2.1', '-j', 'DROP']);
      await end(second);
      await end(first);
    }
  });

  test('in the stepper, the diff of a step names what another run did meanwhile', async () => {
    const stepped = await start('stepped', '--break', 'exit.wait:after');
    const other = await start('other');
    const text = await end(stepped);
    await end(other);
    expect(text).toMatch(new RegExp(`\\+ not ours: group of ${other.subject.containerId!.slice(0, 12)}`));
    expect(text).toMatch(/\+ not ours: host veth/);
    // Its own end is its own.
    expect(text).toMatch(/- pid {2}/);
  });

  test('counters of our rules are seen', () => {
    const { root, cgroupParent, bridge } = place;
    const { lines } = observe('firewall', { root, cgroupParent, bridge });
    expect(lines['ip_forward']).toBe('1');
    expect(lines['filter FORWARD policy']).toBe('ACCEPT');
    const jump = `nat POSTROUTING -m comment --comment "tsdock:${place.chain}" -j ${place.chain}`;
    expect(lines[jump]).toMatch(/^of all runs here, met \d+ packets?, \d+ bytes$/);
    const another = observe('firewall', { root: '/another', cgroupParent, bridge });
    expect(another.lines[jump]).toBe('another root’s');
    expect(another.theirs).toContain(jump);
  });
});
