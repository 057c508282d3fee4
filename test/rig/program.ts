/**
 * A program that runs inside a container and does what the test tells it, so that no test needs to sleep.
 *
 * It is a few lines of POSIX sh that read a line, evaluate it and print a mark with the status. `say` resolves when the
 * mark is there; both directions go over the program's standard streams, or over two fifos in a folder that the test
 * binds into the container (for a program without standard streams).
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

export interface Reply {
  readonly status: number;
  /** What the command wrote to standard output, and over fifos to standard error too. */
  readonly output: string;
}

export interface Program {
  /** Evaluates one line of sh in the program. Rejects when the program ends before it has answered. */
  say(line: string): Promise<Reply>;
  /** Tells the program to end; nobody waits for an answer. */
  end(status?: number): void;
  /** Closes the test's ends of the fifos; nothing to do for standard streams. */
  close(): void;
}

export interface Plan {
  /** Command and arguments for the container: `sh -c SCRIPT`. */
  readonly argv: readonly string[];
}

const mark = (token: string): string => `printf '%s %s\\n' ${token} "$?"`;

const loop = (token: string): string => `while IFS= read -r line; do eval "$line"\n${mark(token)}; done`;

/** A program driven over its standard streams: start `argv` with `-i`, then `connect` its streams. */
export function programOverStreams(): Plan & { connect(stdin: Writable, stdout: Readable): Program } {
  const token = `mark-${randomBytes(6).toString('hex')}`;
  return {
    argv: ['sh', '-c', loop(token)],
    connect: (stdin, stdout) => drive(token, stdin, stdout, () => undefined),
  };
}

/**
 * A program driven over fifos in `folder`, which the test binds to `inside` (`-v folder:inside`). The fifos are open on
 * both sides at both ends, so that neither end blocks or sees an end of file when the other opens late.
 */
export function programOverFifos(folder: string, inside: string): Plan & { connect(): Program } {
  const token = `mark-${randomBytes(6).toString('hex')}`;
  const [orders, answers] = [join(folder, 'orders'), join(folder, 'answers')];
  execFileSync('mkfifo', ['-m', '0666', orders, answers]);
  return {
    argv: ['sh', '-c', `exec <>${inside}/orders 1<>${inside}/answers 2>&1; ${loop(token)}`],
    connect: () => {
      const flags = constants.O_RDWR | constants.O_NONBLOCK;
      const stdin = new Socket({ fd: openSync(orders, flags), readable: false, writable: true });
      const stdout = new Socket({ fd: openSync(answers, flags), readable: true, writable: false });
      return drive(token, stdin, stdout, () => {
        stdin.destroy();
        stdout.destroy();
      });
    },
  };
}

function drive(token: string, stdin: Writable, stdout: Readable, close: () => void): Program {
  let pending = '';
  let over = false;
  const waiting: { readonly resolve: (reply: Reply) => void; readonly reject: (error: Error) => void }[] = [];
  const pattern = new RegExp(`${token} (\\d+)\\n`);

  stdout.setEncoding('utf8').on('data', (text: string) => {
    pending += text;
    for (let match = pattern.exec(pending); match !== null; match = pattern.exec(pending)) {
      const output = pending.slice(0, match.index);
      pending = pending.slice(match.index + match[0].length);
      waiting.shift()?.resolve({ status: Number(match[1]), output });
    }
  });
  const finish = (): void => {
    over = true;
    for (const each of waiting.splice(0)) {
      each.reject(new Error(`the program ended before it answered; it wrote: ${JSON.stringify(pending)}`));
    }
  };
  stdout.once('end', finish).once('close', finish);
  stdin.on('error', finish);

  return {
    say: (line) =>
      new Promise((resolve, reject) => {
        if (over) {
          reject(new Error('the program has ended'));
          return;
        }
        waiting.push({ resolve, reject });
        stdin.write(`${line}\n`);
      }),
    end: (status = 0) => void stdin.write(`exit ${status}\n`),
    close,
  };
}
