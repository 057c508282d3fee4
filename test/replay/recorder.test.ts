/** The recorder itself: what it writes is never more than can be read again, and it never ends a run. */
import { describe, expect, test } from 'vitest';
import type { EngineEvent } from '../../src/engine/frontend.ts';
import { MOST_BYTES } from '../../src/replay/format.ts';
import { Recorder } from '../../src/replay/recorder.ts';
import { HEADER, read, scripted } from './made-up.ts';

function recorder(append: (text: string) => void): { made: Recorder; said: string[]; closed: () => number } {
  const said: string[] = [];
  let closed = 0;
  const made = new Recorder({
    pen: { append, close: () => (closed += 1) },
    header: HEADER,
    warn: (text) => said.push(text),
    drain: () => undefined,
    lookAgain: () => [],
  });
  return { made, said, closed: () => closed };
}

const warning = (text: string): EngineEvent => ({ event: 'warning', text });

describe('a recording that cannot go on', () => {
  test('on a full disk: said once, and the front end hears all the same', () => {
    let text = '';
    const { made, said, closed } = recorder((line) => {
      if (line.includes('third')) {
        // As write(2) does: a part of it, then the refusal.
        text += line.slice(0, 20);
        throw new Error('ENOSPC: no space left on device, write');
      }
      text += line;
    });
    const heard: string[] = [];
    const { frontEnd } = scripted('');
    const beside = made.beside({
      on: (event) => heard.push(event.event === 'warning' ? event.text : event.event),
      command: (pause) => frontEnd.command(pause),
      close: () => undefined,
    });
    for (const each of ['second', 'third', 'fourth']) beside.on(warning(each));
    made.close(undefined);
    expect(heard).toEqual(['second', 'third', 'fourth']);
    expect(said).toEqual(['the recording ends here: ENOSPC: no space left on device, write']);
    expect(closed()).toBe(1);
    expect(read(text)).toMatchObject({ cutAfter: 2, entries: [{ k: 'warning', text: 'second' }] });
  });

  test('with more than can be read again: whole up to there', () => {
    let text = '';
    const { made, said } = recorder((line) => (text += line));
    const million = 'x'.repeat(1e6);
    for (let i = 0; i < 20; i++) made.output('stdout', million, false);
    made.close(undefined);
    expect(said).toEqual(['the recording ends here: it would be too big to be read again']);
    expect(text.length).toBeLessThanOrEqual(MOST_BYTES);
    expect(read(text).cutAfter).toBe(Math.floor(MOST_BYTES / 1e6) + 1);
  });

  test('with a line that is too long', () => {
    let text = '';
    const { made, said } = recorder((line) => (text += line));
    made.output('stdout', 'x'.repeat(3e6), false);
    expect(said.length).toBe(1);
    expect(read(text).cutAfter).toBe(1);
  });
});
