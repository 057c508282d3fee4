/** Whose the terminal is: the stepper's, or, while the program runs, the container's through its monitor. */
import type { Attachment } from '../../daemon/attachment.ts';
import type { Streams } from '../../engine/run.ts';
import type { TerminalSize } from '../../engine/step.ts';
import type { Values } from '../../flows/values.ts';
import type { Ended } from '../../kernel/binding.ts';
import type { Cli } from '../cli.ts';
import type { ConsoleEnd } from './console-end.ts';
import { joinPipes, type Joined } from './pipes.ts';
import { relay } from './relay.ts';

export interface StreamSettings {
  readonly tty: boolean;
  /** Our standard input goes to the container. */
  readonly input: boolean;
  /** The bytes of the keys that leave. */
  readonly detachKeys: Uint8Array;
}

export class PersonStreams implements Streams {
  private readonly cli: Cli;
  private readonly settings: StreamSettings;
  private joined: Joined | undefined;

  constructor(cli: Cli, settings: StreamSettings) {
    this.cli = cli;
    this.settings = settings;
  }

  size(): TerminalSize | undefined {
    const terminal = terminalOf();
    if (!this.settings.tty || terminal === undefined) return undefined;
    const { rows, columns } = this.cli.sys.windowSize(terminal);
    // A terminal that does not know its size says zero.
    return rows > 0 && columns > 0 ? { rows, columns } : undefined;
  }

  give({ attachment }: Partial<Values>): void {
    if (attachment !== undefined && attachment !== null)
      this.joined = join(this.cli, attachment, this.settings);
  }

  async take(drain: boolean): Promise<void> {
    const { joined } = this;
    this.joined = undefined;
    if (!drain) joined?.stop();
    await joined?.over;
  }
}

/** What the container says is shown, and what is typed goes to it, until its end or until somebody leaves. */
export function join(cli: Cli, attachment: Attachment, { tty, input, detachKeys }: StreamSettings): Joined {
  if (!tty) return joinPipes(cli, attachment, input);
  const { stdin, stdout } = process;
  const end = new AttachedConsole(attachment);
  const over = relay(cli.sys, end, {
    input: input ? stdin : undefined,
    output: cli.guarded(stdout),
    terminal: terminalOf(),
    detachKeys,
  }).then((how) => {
    // A file as standard input has no `unref`.
    if (input) (stdin as Partial<NodeJS.ReadStream>).unref?.();
    if (how === 'detached') attachment.detach();
    return end.ended;
  });
  return { over, stop: () => end.stop() };
}

/** A descriptor of the person's terminal. */
function terminalOf(): number | undefined {
  return process.stdin.isTTY ? 0 : process.stdout.isTTY ? 1 : undefined;
}

/** A container's terminal, whose master its monitor has. */
class AttachedConsole implements ConsoleEnd {
  /** How the container ended, if it did. */
  ended: Ended | undefined;
  private readonly attachment: Attachment;
  private over: () => void = () => undefined;

  constructor(attachment: Attachment) {
    this.attachment = attachment;
  }

  onData(heard: (bytes: Buffer) => void): void {
    this.attachment.start({
      output: (_stream, bytes) => {
        heard(bytes);
        return undefined;
      },
      ended: (ended) => {
        this.ended = ended;
        this.over();
      },
    });
  }

  onEnd(over: () => void): void {
    this.over = over;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    return this.attachment.write(bytes);
  }

  pause(): void {
    this.attachment.pause();
  }

  resume(): void {
    this.attachment.resume();
  }

  resize(rows: number, columns: number): void {
    this.attachment.resize(rows, columns);
  }

  /** Nobody looks any more. */
  stop(): void {
    this.over();
  }

  close(): void {
    this.attachment.close();
  }
}
