/** What every command has: the kernel port, the root, the two outputs, and the exit code that is to be. */
import { placeOf, type Place } from '../daemon/place.ts';
import { prepareRoot } from '../daemon/store.ts';
import { TsDockError } from '../engine/failure.ts';
import { recover } from '../engine/recovery.ts';
import { Kernel } from '../kernel/kernel.ts';
import { rootOf, type Surroundings } from './options.ts';
import { renderError } from './render/errors.ts';
import { styleOf, type Style } from './render/style.ts';

export class Cli {
  readonly sys = new Kernel();
  exitCode = 0;
  private chosen: Place | undefined;
  private readonly watched = new Set<NodeJS.WriteStream>();

  get place(): Place {
    this.chosen ??= placeOf(rootOf(undefined, process.env));
    return this.chosen;
  }

  /** How this program is started again, without a command: for the monitor, which has no other way to know. */
  get self(): readonly string[] {
    return [process.execPath, process.argv[1] ?? '', '--root', this.place.root];
  }

  useRoot(option: string | undefined): void {
    this.chosen = placeOf(rootOf(option, process.env));
  }

  get surroundings(): Surroundings {
    return { env: process.env, readFile: (path) => this.sys.readFile(path) };
  }

  /** A reader that went away (`| head`) must not end a run half-way: what is written to nobody is lost, the run is not. */
  guarded(stream: NodeJS.WriteStream): NodeJS.WriteStream {
    if (!this.watched.has(stream)) {
      this.watched.add(stream);
      stream.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EPIPE') throw error;
      });
    }
    return stream;
  }

  /** A pipe whose reader is slow still has to take what was written; to end the process would lose it. */
  async flush(): Promise<void> {
    for (const stream of this.watched) {
      if (stream.writableLength === 0 || stream.destroyed) continue;
      await new Promise<void>((resolve) => {
        stream.once('close', resolve);
        stream.write('', () => {
          resolve();
        });
      });
    }
  }

  print(text: string): void {
    this.guarded(process.stdout).write(text === '' || text.endsWith('\n') ? text : `${text}\n`);
  }

  say(text: string): void {
    this.guarded(process.stderr).write(text === '' || text.endsWith('\n') ? text : `${text}\n`);
  }

  style(stream: NodeJS.WriteStream = process.stdout): Style {
    return styleOf(stream);
  }

  showError(error: unknown): void {
    this.say(renderError(error, this.style(process.stderr)));
  }

  /** For commands that ask the kernel for more than reading: Linux, root, and a root folder that this version knows. */
  requireRoot(): void {
    this.requireRights();
    prepareRoot(this.sys, this.place);
  }

  /** The same for a root folder that is not to be made. */
  requireRights(): void {
    if (process.platform !== 'linux') {
      throw new TsDockError('not-linux', 'cannot run containers here: they are made by the Linux kernel', {
        remedy: '`ts-dock steps`, `ts-dock explain` and `ts-dock replay` work on any system.',
      });
    }
    if (process.getuid?.() !== 0) {
      throw new TsDockError('not-root', 'cannot run containers without root', {
        means: 'Namespaces, mounts and cgroups need the rights of root.',
        remedy: 'Try it with sudo; `ts-dock steps`, `ts-dock explain` and `ts-dock replay` work without.',
      });
    }
    // What this process inherited must not reach a program of the host that it starts, let alone a container.
    this.sys.cloexecFrom(3);
  }

  /** For commands that only read: a root that nobody has made yet is empty, and is not made for the asking. */
  rootIsThere(): boolean {
    if (!this.sys.exists(this.place.root)) return false;
    if (process.getuid?.() !== 0)
      throw new TsDockError('not-root', `cannot read ${this.place.root} without root`, {
        remedy: 'Try it with sudo.',
      });
    prepareRoot(this.sys, this.place);
    return true;
  }

  /** For commands that look at containers: what they show must be so, also after somebody was killed. */
  async rootIsTrue(): Promise<boolean> {
    if (!this.rootIsThere()) return false;
    await this.recoverFirst();
    return true;
  }

  /** Every command that changes something first undoes what a killed ts-dock left. */
  async recoverFirst(): Promise<void> {
    const recovered = await recover(this.sys, this.place);
    for (const { run, failed } of recovered) {
      const what =
        failed.length === 0
          ? 'undid what it left behind'
          : `could not undo all that it left behind: ${failed.map(({ error }) => error).join('; ')}`;
      this.say(`ts-dock: an earlier run (${run}) was killed; ${what}`);
    }
  }
}
