/** Forwards and backwards through a recording, with the words of the stepper. */
import { beforeAll, describe, expect, test } from 'vitest';
import { complete, helpText, parseCommand, REPLAY_WORDS, WORDS } from '../../src/cli/terminal/commands.ts';
import type { Recording } from '../../src/replay/read.ts';
import { STEPS } from '../cli/fake-engine.ts';
import { linesIn, read, recorded, replayed, sealed } from './made-up.ts';

let recording: Recording;
let text = '';
let live = '';
beforeAll(async () => {
  ({ text, live } = await recorded());
  recording = read(text);
});

const heads = (out: string): string[] => [...out.matchAll(/^── \[(\d)\/4\]/gm)].map(([, n]) => n ?? '');
/** What was drawn from the last command on. */
const after = (out: string, command: string): string => out.slice(out.lastIndexOf(`(ts-dock) ${command}\n`));

describe('forwards', () => {
  test('draws what the live session drew, and what the program wrote', async () => {
    const out = await replayed(recording);
    expect(out).toContain('  │ hello\n  │ world\n');
    expect(out.replace(/^ {2}│ .*\n/gm, '')).toBe(live);
  });

  test('answers as the live session did', async () => {
    const commands = 'n\nf\nk\nl\ne init.exec\ne init\nb exit.wait\nh\nu exit.wait\nc\n';
    const session = await recorded(commands);
    const out = await replayed(read(session.text), commands.replace('h\n', ''));
    const drawn = session.live.replace(/\(ts-dock\) h\n(?: {2}\S .*\n)+/, '');
    // The made-up engine says that it knows of more calls than it has said before.
    expect(out.replace(/^ {2}│ .*\n/gm, '')).toBe(drawn.replace('    +2 more\n', ''));
  });

  test('stops at a breakpoint, before and after', async () => {
    const out = await replayed(recording, 'c\nq\n', ['launch.clone', 'init.exec:after']);
    expect(heads(out)).toEqual(['2', '3']);
    expect(out).toMatch(/✓ \[1\/4\]/);
    expect(out).toContain('  after init.exec');
    expect(out).not.toContain('exit code');
  });

  test('at the end `next` leaves', async () => {
    const out = await replayed(recording, 'n\nn\nn\nn\nn\nl\n');
    expect(out).toContain('exit code 0');
    expect(out).not.toContain('(ts-dock) l');
  });
});

describe('backwards', () => {
  test('each step has its card again, and its outcome when it is walked again', async () => {
    const out = await replayed(recording, 'n\nn\np\np\nn\nq\n');
    expect(heads(out)).toEqual(['1', '2', '3', '2', '1', '2']);
    const first = (from: number): string => {
      const start = out.indexOf('── [1/4]', from);
      return out.slice(start, out.indexOf('✓ 1.50 ms', start));
    };
    expect(out.match(/mount\("overlay"/g)).toHaveLength(2);
    // But for the commands between, the card of the first step is the same.
    const again = first(out.lastIndexOf('(ts-dock) p')).replace('(ts-dock) n\n', '');
    expect(again).toBe(first(0).replace('(ts-dock) n\n', ''));
  });

  test('from the end to the beginning, and no further', async () => {
    const out = await replayed(recording, '$\np\np\np\np\np\nl\nq\n');
    expect(heads(out)).toEqual(['1', '4', '4', '3', '2', '1']);
    expect(after(out, 'p')).toContain('this is the beginning of the recording');
    expect(after(out, 'l')).toContain('▶  1  start.mount-rootfs');
  });

  test('values, diff and calls are those of the place', async () => {
    const out = await replayed(recording, 'd values\nf\nn\nd values\nf\nk\np\nd values\nf\nq\n');
    const answers = out.split('(ts-dock) ');
    const [before, then, back] = answers.filter((each) => each.startsWith('d values'));
    expect(before).toContain('wanted');
    expect(before).not.toContain('rootfs');
    expect(then).toContain('rootfs  /r/overlay');
    expect(back).toBe(before);
    const diffs = answers.filter((each) => each.startsWith('f\n'));
    expect(diffs.map((each) => each.split('\n')[1])).toEqual([
      'no step has run yet',
      'changed by start.mount-rootfs',
      'no step has run yet',
    ]);
  });
});

describe('anywhere', () => {
  test('goto: before a step, after it, by its number', async () => {
    const out = await replayed(recording, 'goto exit.wait\ng init.exec:after\ng 2\ng 2:after\nl\nq\n');
    expect(heads(out)).toEqual(['1', '4', '3', '2', '2']);
    expect(after(out, 'g init.exec:after')).toContain('  after init.exec');
    expect(after(out, 'l')).toContain('▶  2  launch.clone');
  });

  test('first and last', async () => {
    const out = await replayed(recording, 'last\nfirst\nq\n');
    expect(heads(out)).toEqual(['1', '4', '1']);
    expect(out).toContain('undo  1 thing, last first: the container has ended');
  });

  test('goto what is not there is refused, and nothing moves', async () => {
    const out = await replayed(recording, 'g init.exex\ng 9\ng\nl\nq\n');
    expect(after(out, 'g init.exex')).toContain('Did you mean init.exec?');
    expect(after(out, 'g 9')).toContain('there is no step "9"');
    expect(after(out, 'g')).toContain('goto needs the name or the number of a step');
    expect(after(out, 'l')).toContain('▶  1  start.mount-rootfs');
  });

  test('goto what the run did not come to is refused', async () => {
    const short = read(
      sealed(linesIn(text).filter((line) => !('step' in line) || line.step !== 'exit.wait')),
    );
    expect(await replayed(short, 'g exit.wait\nq\n')).toContain(
      'the recorded run did not come to exit.wait. It ended in init.exec',
    );
  });

  test('dump shows what was seen there, in its order', async () => {
    const commands = [
      'd mounts',
      'g 1:after',
      'd mounts',
      'g 2',
      'd',
      'g 2:after',
      'd mounts',
      '$',
      'd mounts',
      'q',
    ];
    const out = await replayed(recording, `${commands.join('\n')}\n`);
    const seen = out.split('(ts-dock) ').filter((each) => each.startsWith('d'));
    const mounts = seen.map((each) =>
      [...each.matchAll(/^ {2}(host .)\s+(.*)$/gm)].map(([, k, v]) => `${k} ${v}`),
    );
    expect(mounts).toEqual([
      ['host a ext4'],
      ['host a ext4', 'host b overlay'],
      // `dump` alone: the observers of this step, which is not about mounts.
      [],
      ['host a tmpfs'],
      ['host a the end'],
    ]);
    expect(seen[2]).toMatch(/hostname line 1 +web/);
    expect(await replayed(recording, 'd mouts\nq\n')).toContain('there is no observer mouts');
  });

  test('search finds cards, calls, values, observations, output, and says where', async () => {
    const find = async (what: string): Promise<string> =>
      after(await replayed(recording, `/ ${what}\nq\n`), `/ ${what}`);
    expect(await find('Clone Dockerinit INTO')).toMatch(
      /^ +2 {2}launch\.clone +card +Clone dockerinit into/m,
    );
    expect(await find('lowerdir')).toMatch(/^ +1 {2}start\.mount-rootfs +call +…?.*lowerdir/m);
    expect(await find('rootfs  /r/')).toMatch(/^ +1 {2}start\.mount-rootfs +value +rootfs {2}\/r\//m);
    expect(await find('2 layers')).toMatch(/^ +1 {2}start\.mount-rootfs +note/m);
    expect(await find('tmpfs')).toMatch(/^ +2 {2}launch\.clone +mounts +host a {2}tmpfs$/m);
    expect(await find('world')).toMatch(/^ +\d {2}\S+ +stdout +world$/m);
    expect(await find('no such words anywhere')).toContain('nothing has "no such words anywhere"');
    expect(await replayed(recording, '/\nq\n')).toContain('search needs a text');
  });
});

describe('the words', () => {
  test('help has those of a recording only there', () => {
    for (const { word } of REPLAY_WORDS) expect(helpText(REPLAY_WORDS)).toContain(word);
    expect(helpText(WORDS)).not.toContain('goto');
    for (const line of helpText(REPLAY_WORDS).split('\n')) expect(line.length).toBeLessThanOrEqual(84);
    expect(new Set(REPLAY_WORDS.map(({ key }) => key)).size).toBe(REPLAY_WORDS.length);
  });

  test.each(['p', 'g', '/'])('a live run has no key %j', (key) => {
    expect(parseCommand(key).command).toBe('unknown');
  });

  test('a live run knows the words, for the engine to refuse', () => {
    expect(parseCommand('back')).toEqual({ command: 'back' });
    expect(parseCommand('goto init.exec')).toEqual({ command: 'goto', to: 'init.exec' });
    expect(parseCommand('search two words')).toEqual({ command: 'search', text: 'two words' });
  });

  test('Tab', () => {
    const ids = STEPS.map(({ id }) => id);
    expect(complete('g ex', ids, REPLAY_WORDS)).toEqual([['exit.wait', 'exit.*'], 'ex']);
    expect(complete('go', ids, REPLAY_WORDS)).toEqual([['goto'], 'go']);
    expect(complete('go', ids)).toEqual([[], 'go']);
  });
});
