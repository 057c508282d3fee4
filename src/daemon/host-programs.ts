/**
 * Programs of the host with all that they need to run elsewhere: the files behind their links, their libraries, the
 * dynamic loader. Asks the file system only, and never runs what it finds.
 */
import { basename, dirname, join, relative } from 'node:path';
import type { Kernel } from '../kernel/kernel.ts';
import { parseElf, type Elf } from './elf.ts';
import { readBytes, type Entry } from './layer-files.ts';

/** What a C library before glibc 2.34 loads by itself when names are looked up; newer ones have it built in. */
const LOADED_LATER = ['libnss_files.so.2', 'libnss_dns.so.2'];

/** A path of the host: with a loader's own folders, where the libraries of its programs lie. */
interface Loader {
  readonly path: string;
  /** These the loader knows without its cache, which the container will not have. */
  readonly folders: readonly string[];
}

export class HostPrograms {
  private readonly sys: Kernel;
  private readonly known = new Map<string, Elf | undefined>();
  private configured: readonly string[] | undefined;

  constructor(sys: Kernel) {
    this.sys = sys;
  }

  /** What a program brings along, itself included; undefined where it cannot run: a script, or a library is missing. */
  withLibraries(path: string): ReadonlyMap<string, Entry> | undefined {
    const elf = this.elf(path);
    if (elf === undefined) return undefined;
    const entries = new Map(this.landing(path));
    if (elf.interpreter === undefined) return elf.needed.length === 0 ? entries : undefined;
    if (!this.sys.exists(elf.interpreter)) return undefined;
    for (const [at, entry] of this.landing(elf.interpreter)) entries.set(at, entry);
    const complete = this.addLibraries(path, elf, this.loaderOf(elf.interpreter), entries, new Set());
    return complete ? entries : undefined;
  }

  /** Where a file lies when all links on the way to it are followed, but not the one that it may be itself. */
  resting(path: string): string {
    return join(this.sys.realpath(dirname(path)), basename(path));
  }

  /** A file, and the link that leads to it if there is one; links are relative, so that they hold in any root. */
  private landing(path: string): [string, Entry][] {
    const at = this.resting(path);
    const real = this.sys.realpath(path);
    const file: [string, Entry] = [real, { copy: real }];
    return at === real ? [file] : [file, [at, { link: relative(dirname(at), real) }]];
  }

  private elf(path: string): Elf | undefined {
    const real = this.sys.realpath(path);
    // Not `get() ?? …`: what is no ELF file is known as well.
    if (!this.known.has(real)) this.known.set(real, parseElf(readBytes(this.sys, real)));
    return this.known.get(real);
  }

  private loaderOf(path: string): Loader {
    const own = dirname(this.sys.realpath(path));
    return { path, folders: [own, '/lib64', '/usr/lib64', '/lib', '/usr/lib'] };
  }

  private addLibraries(
    of: string,
    elf: Elf,
    loader: Loader,
    entries: Map<string, Entry>,
    seen: Set<string>,
  ): boolean {
    const wanted = elf.needed.filter((name) => !seen.has(name));
    for (const name of wanted) {
      seen.add(name);
      const found = this.find(name, of, elf, loader);
      if (found === undefined) return false;
      for (const [at, entry] of this.library(found, name, elf, of, loader)) entries.set(at, entry);
      const own = this.elf(found);
      if (own !== undefined && !this.addLibraries(found, own, loader, entries, seen)) return false;
    }
    if (wanted.includes('libc.so.6')) this.addLoadedLater(elf.machine, loader, entries, seen);
    return true;
  }

  private addLoadedLater(
    machine: number,
    loader: Loader,
    entries: Map<string, Entry>,
    seen: Set<string>,
  ): void {
    for (const name of LOADED_LATER) {
      const found = this.fitting(loader.folders, name, machine);
      const elf = found === undefined ? undefined : this.elf(found);
      if (found === undefined || elf === undefined) continue;
      for (const [at, entry] of this.landing(found)) entries.set(at, entry);
      this.addLibraries(found, elf, loader, entries, seen);
    }
  }

  /**
   * A library lands where it lies, unless only the host's ld.so.cache would lead there: then it goes to the loader's own
   * folder, under the name that is asked for, since a cache made for the host has no place in the container.
   */
  private library(found: string, name: string, elf: Elf, of: string, loader: Loader): [string, Entry][] {
    const reachable = [...this.runpath(elf, of), ...loader.folders].includes(dirname(found));
    if (reachable) return this.landing(found);
    return [[join(loader.folders[0] ?? '/lib', name), { copy: this.sys.realpath(found) }]];
  }

  /** The loader's order but for its cache: the folders that need none come first, so that most files stay in place. */
  private find(name: string, of: string, elf: Elf, loader: Loader): string | undefined {
    if (name.includes('/')) return this.sys.exists(name) ? name : undefined;
    const folders = [...this.runpath(elf, of), ...loader.folders, ...this.configuredFolders()];
    return this.fitting(folders, name, elf.machine);
  }

  /** A host may have libraries of several architectures under one name. */
  private fitting(folders: readonly string[], name: string, machine: number): string | undefined {
    return folders
      .map((folder) => join(folder, name))
      .find((path) => this.sys.exists(path) && this.elf(path)?.machine === machine);
  }

  private runpath(elf: Elf, of: string): string[] {
    const origin = dirname(this.sys.realpath(of));
    return elf.runpath.map((folder) => join(folder.replace(/\$ORIGIN|\$\{ORIGIN\}/g, origin)));
  }

  /** The folders that the host's ldconfig was told of. */
  private configuredFolders(): readonly string[] {
    if (this.configured !== undefined) return this.configured;
    const more = '/etc/ld.so.conf.d';
    const files = this.sys.exists(more)
      ? this.sys.readdirPath(more).filter((name) => name.endsWith('.conf'))
      : [];
    const paths = ['/etc/ld.so.conf', ...files.sort().map((name) => join(more, name))];
    const lines = paths.flatMap((path) => (this.sys.readIfThere(path) ?? '').split('\n'));
    this.configured = [
      ...lines.map((line) => line.trim()).filter((line) => line.startsWith('/')),
      '/usr/local/lib',
    ];
    return this.configured;
  }
}
