/** Recordings of the fake engine's run, made by the recorder itself, and what a front end draws of them. */
import type { EngineEvent } from '../../src/engine/frontend.ts';
import { Breakpoints } from '../../src/engine/pauses.ts';
import { cardOf } from '../../src/cli/render/cards-file.ts';
import { plainStyle } from '../../src/cli/render/style.ts';
import { REPLAY_WORDS, WORDS } from '../../src/cli/terminal/commands.ts';
import { linesOf } from '../../src/cli/terminal/lines.ts';
import { Narrator } from '../../src/cli/terminal/narrator.ts';
import { ScriptedFrontEnd } from '../../src/cli/terminal/scripted.ts';
import type { Observation } from '../../src/observe/names.ts';
import { FORMAT, seal, type Header, type Line } from '../../src/replay/format.ts';
import { Player } from '../../src/replay/player.ts';
import { recordingIn, type Recording } from '../../src/replay/read.ts';
import { Recorder } from '../../src/replay/recorder.ts';
import { Tape } from '../../src/replay/tape.ts';
import { drive, STEPS } from '../cli/fake-engine.ts';

export const HEADER: Header = {
  k: 'recording',
  format: FORMAT,
  version: '0.1.0',
  kernel: 'Linux 6.1.0 x64',
  when: '2026-01-02T03:04:05.678Z',
  words: ['run', 'base'],
  showEnv: false,
  output: ['stdout', 'stderr'],
  steps: STEPS,
  initial: { wanted: 'web' },
  known: { ROOT: '/r' },
};

const sees = (observer: 'mounts' | 'files', lines: Record<string, string>): Observation => ({
  observer,
  lines,
});

/** What the observers saw before and after each step. */
export const LOOKS: Readonly<Record<string, readonly Observation[]>> = {
  '1 before': [sees('mounts', { 'host a': 'ext4' }), sees('files', {})],
  '1 after': [sees('mounts', { 'host a': 'ext4', 'host b': 'overlay' }), sees('files', {})],
  '2 before': [
    sees('mounts', { 'host b': 'overlay', 'host a': 'ext4' }),
    sees('files', { 'hostname line 1': 'web' }),
  ],
  '2 after': [sees('mounts', { 'host a': 'tmpfs' }), sees('files', { 'hostname line 1': 'web' })],
};

/** A front end with a script, and what it has drawn. */
export function scripted(
  commands: string,
  words = REPLAY_WORDS,
  stepping = true,
): { frontEnd: ScriptedFrontEnd; narrator: Narrator; out: () => string } {
  let out = '';
  const narrator = new Narrator({
    write: (text) => (out += text),
    style: plainStyle(80),
    steps: true,
    cards: stepping,
    trace: false,
    showEnv: false,
    known: { ROOT: '/r' },
  });
  return {
    frontEnd: new ScriptedFrontEnd(narrator, linesOf(commands), stepping, words),
    narrator,
    out: () => out,
  };
}

/** The fake run with a recorder beside it: the recording, and what the live session drew. */
export async function recorded(commands = ''): Promise<{ text: string; live: string }> {
  let text = '';
  const recorder = new Recorder({
    pen: { append: (line) => (text += line), close: () => undefined },
    header: HEADER,
    warn: (why) => {
      throw new Error(why);
    },
    drain: () => recorder.output('stdout', 'hello\nworld\n', false),
    lookAgain: () => [sees('mounts', { 'host a': 'the end' })],
  });
  const { frontEnd, out } = scripted(commands, WORDS);
  const beside = recorder.beside(frontEnd);
  let number = 0;
  const looking = (event: EngineEvent): void => {
    if (event.event === 'step-begin') number = event.number;
    if (event.event === 'step-end') {
      for (const when of ['before', 'after'] as const)
        recorder.look(number, when, LOOKS[`${number} ${when}`] ?? []);
    }
    beside.on(event);
  };
  await drive({ ...beside, on: looking }, { stepping: true });
  recorder.close(undefined);
  return { text, live: out() };
}

export function read(text: string | Buffer): Recording {
  return recordingIn(Buffer.from(text), 'made-up');
}

/** What a replay with these commands draws. */
export async function replayed(
  recording: Recording,
  commands = '',
  breaks: readonly string[] = [],
): Promise<string> {
  const { frontEnd, out } = scripted(commands, REPLAY_WORDS, breaks.length === 0);
  const ids = recording.header.steps.map(({ id }) => id);
  const breakpoints = new Breakpoints(breaks, true, ids);
  await new Player(new Tape(recording), { frontEnd, breakpoints, cardOf }).play();
  return out();
}

export const linesIn = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);

/** Lines as a recording, with hashes that are right: what somebody would make who means harm. */
export function sealed(lines: readonly unknown[]): string {
  let [text, hash] = ['', ''];
  for (const line of lines) {
    const { hash: _, ...content } = line as Record<string, unknown>;
    const next = seal(hash, content as unknown as Line);
    text += next.text;
    hash = next.hash;
  }
  return text;
}
