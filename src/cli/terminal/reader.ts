/** What a line means to a front end: a command of the engine's, or a word that only the terminal itself knows. */
import type { FrontEndCommand } from '../../engine/frontend.ts';
import { helpText, parseCommand, type Parsed, type Words } from './commands.ts';
import type { Narrator } from './narrator.ts';

export class Reader {
  /** `walk` was said: nobody is asked any more. */
  walking = false;
  readonly words: Words;
  private readonly narrator: Narrator;

  constructor(narrator: Narrator, words: Words) {
    this.narrator = narrator;
    this.words = words;
  }

  /** Undefined for what is no command of the engine's: help, a mistake, `walk`. */
  read(line: string): FrontEndCommand | undefined {
    return this.take(parseCommand(line, this.words));
  }

  take(parsed: Parsed): FrontEndCommand | undefined {
    switch (parsed.command) {
      case 'help':
        this.narrator.line(helpText(this.words));
        return undefined;
      case 'unknown':
        this.narrator.line(parsed.text);
        return undefined;
      case 'walk':
        this.walking = true;
        this.narrator.goOn(true);
        return undefined;
      case 'next':
      case 'continue':
        this.narrator.goOn(parsed.command === 'next');
        return parsed;
      default:
        return parsed;
    }
  }
}
