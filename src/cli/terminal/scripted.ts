/** Commands from a file or from standard input, one a line; `#` begins a comment. At the end of the input the run continues. */
import type { EngineEvent, FrontEnd, FrontEndCommand, Pause } from '../../engine/frontend.ts';
import { WORDS } from './commands.ts';
import type { Lines } from './lines.ts';
import type { Narrator } from './narrator.ts';
import { Reader } from './reader.ts';

export class ScriptedFrontEnd implements FrontEnd {
  shell?: NonNullable<FrontEnd['shell']>;
  private readonly narrator: Narrator;
  private readonly lines: Lines;
  private readonly stepping: boolean;
  private readonly reader: Reader;

  /** @param stepping - `--step`: also what runs after the last command is shown, for whoever reads the output later */
  constructor(narrator: Narrator, lines: Lines, stepping: boolean, words = WORDS) {
    this.narrator = narrator;
    this.reader = new Reader(narrator, words);
    this.lines = lines;
    this.stepping = stepping;
  }

  on(event: EngineEvent): void {
    this.narrator.on(event);
  }

  async command(pause: Pause): Promise<FrontEndCommand> {
    this.narrator.paused(pause);
    for (;;) {
      if (this.reader.walking) return { command: 'next' };
      const line = await this.lines.next();
      if (line === undefined) {
        this.narrator.goOn(this.stepping);
        return { command: 'continue' };
      }
      const command = this.read(line);
      if (command !== undefined) return command;
    }
  }

  close(): void {
    this.lines.close();
  }

  /** Undefined for what is no command of the engine's: a comment, a word for us, a mistake. */
  private read(line: string): FrontEndCommand | undefined {
    // In a line for the shell a `#` is the shell's.
    const text = (/^\s*(s|shell)\s/.test(line) ? line : line.replace(/#.*/, '')).trim();
    if (text === '' && line.trim() !== '') return undefined;
    this.narrator.line(`(ts-dock) ${text}`);
    return this.reader.read(text);
  }
}
