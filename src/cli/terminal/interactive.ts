/**
 * A person at a terminal: a prompt with history and completion. While a prompt is open the terminal is in raw mode, so
 * whatever ends the run, or hands the terminal on, must close it first.
 */
import type { Interface } from 'node:readline';
import type { ReadStream, WriteStream } from 'node:tty';
import type { EngineEvent, FrontEnd, FrontEndCommand, Pause } from '../../engine/frontend.ts';
import { complete, WORDS } from './commands.ts';
import type { Narrator } from './narrator.ts';
import { Reader } from './reader.ts';

type Answer = 'end' | 'interrupt' | { readonly line: string };

export class InteractiveFrontEnd implements FrontEnd {
  shell?: NonNullable<FrontEnd['shell']>;
  readonly sharesTerminal: boolean;
  private readonly narrator: Narrator;
  private readonly input: ReadStream;
  private readonly output: WriteStream;
  private readline: Interface | undefined;
  private history: string[] = [];
  private ids: readonly string[] = [];
  private readonly reader: Reader;
  /** Lines that came in one piece (pasted, or typed ahead) wait here for their prompt. */
  private readonly typed: Answer[] = [];
  private answer: ((answer: Answer) => void) | undefined;
  private readonly restore = (): void => {
    this.release();
  };

  /** @param screen - `shared`: the input is also the standard input that a container may be given */
  constructor(
    narrator: Narrator,
    screen: { input: ReadStream; output: WriteStream; shared: boolean },
    words = WORDS,
  ) {
    this.narrator = narrator;
    this.reader = new Reader(narrator, words);
    this.input = screen.input;
    this.output = screen.output;
    this.sharesTerminal = screen.shared;
  }

  on(event: EngineEvent): void {
    if (event.event === 'begin') this.ids = event.steps.map(({ id }) => id);
    // Two readers of one terminal would each get half of what is typed.
    if (event.event === 'terminal' && event.owner === 'container') this.release();
    this.narrator.on(event);
  }

  async command(pause: Pause): Promise<FrontEndCommand> {
    this.narrator.paused(pause);
    for (;;) {
      if (this.reader.walking) return { command: 'next' };
      const answer = await this.ask(pause);
      if (answer === 'interrupt') return { command: 'quit' };
      const command =
        answer === 'end' ? this.reader.take({ command: 'continue' }) : this.reader.read(answer.line);
      if (command !== undefined) return command;
    }
  }

  close(): void {
    this.release();
    process.off('exit', this.restore);
    // Opened by us; standard input is not ours to close.
    if (this.input !== process.stdin) this.input.destroy();
  }

  private ask(pause: Pause): Promise<Answer> {
    const early = this.typed.shift();
    if (early !== undefined) return Promise.resolve(early);
    const readline = this.open();
    return new Promise((resolve) => {
      this.answer = resolve;
      readline.setPrompt(`(ts-dock) ${placeOf(pause)}> `);
      readline.prompt();
    });
  }

  /** At the first stop, so that a run without one neither loads readline nor touches the terminal. */
  private open(): Interface {
    if (this.readline !== undefined) return this.readline;
    // Not by `import()`: the bundle runs from a code cache, where it does not work.
    const { createInterface } = process.getBuiltinModule('node:readline');
    const readline = createInterface({
      input: this.input,
      output: this.output,
      terminal: true,
      history: this.history,
      historySize: 200,
      removeHistoryDuplicates: true,
      completer: (line: string) => complete(line, this.ids, this.reader.words),
    });
    this.readline = readline;
    process.off('exit', this.restore).on('exit', this.restore);
    readline.on('history', (history: string[]) => (this.history = [...history]));
    readline.on('line', (line) => this.heard({ line }));
    readline.on('SIGINT', () => {
      this.output.write('^C\n');
      this.heard('interrupt');
    });
    readline.on('close', () => {
      if (this.readline !== readline) return;
      this.readline = undefined;
      this.output.write('\n');
      this.heard('end');
    });
    return readline;
  }

  private heard(answer: Answer): void {
    const { answer: settle } = this;
    this.answer = undefined;
    if (settle === undefined) this.typed.push(answer);
    else settle(answer);
  }

  private release(): void {
    const { readline } = this;
    this.readline = undefined;
    readline?.close();
  }
}

function placeOf({ step, when, over }: Pause): string {
  return over === true ? 'end' : `${when === 'after' ? 'after ' : ''}${step.id}`;
}
