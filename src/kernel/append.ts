/**
 * A file that only grows: the journal's pen. Not part of the recorded port, as the journal is not something a step asks
 * for. Appended with write(2) and not fsynced: what a killed process wrote is in the page cache and stays.
 */
import * as fs from 'node:fs';

export class AppendFile {
  private readonly fd: number;

  private constructor(fd: number) {
    this.fd = fd;
  }

  static open(path: string, create: boolean): AppendFile {
    const flags =
      fs.constants.O_WRONLY |
      fs.constants.O_APPEND |
      fs.constants.O_NOFOLLOW |
      (create ? fs.constants.O_CREAT | fs.constants.O_EXCL : 0);
    return new AppendFile(fs.openSync(path, flags, 0o600));
  }

  /** All of it or nothing: half a line would take the next one with it. */
  append(text: string): void {
    const bytes = Buffer.from(text);
    let written = 0;
    try {
      while (written < bytes.length) written += fs.writeSync(this.fd, bytes, written);
    } catch (error) {
      fs.ftruncateSync(this.fd, fs.fstatSync(this.fd).size - written);
      throw error;
    }
  }

  close(): void {
    fs.closeSync(this.fd);
  }
}

/** Boot id of this kernel: mounts, links and rules of another boot are gone. */
export function bootId(): string {
  return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/**
 * Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat), undefined where there is none. With the
 * pid it names a process for ever. Read behind the last `)`: a command name may contain blanks and brackets.
 */
export function startTimeOf(pid: number): string | undefined {
  try {
    const text = fs.readFileSync(`/proc/${pid.toString()}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/**
 * Appends a line to a file that many processes append to: one write(2) with O_APPEND, so no two lines mix. A file beyond
 * `most` bytes is first moved to `older`; of two who want to move it, one finds it moved.
 */
export function appendLine(path: string, older: string, line: string, most: number): void {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = fs.constants;
  const open = (): number => fs.openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
  let fd = open();
  try {
    const mine = fs.fstatSync(fd);
    if (mine.size > most) {
      // Between these two calls another may have moved it: then the new one is moved as well, a little early.
      if (fs.statSync(path, { throwIfNoEntry: false })?.ino === mine.ino) fs.renameSync(path, older);
      fs.closeSync(fd);
      fd = open();
    }
    fs.writeSync(fd, `${line}\n`);
  } finally {
    fs.closeSync(fd);
  }
}
