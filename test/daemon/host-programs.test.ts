/** What a program of the host brings along: run paths, the loader's folders, what its cache alone would find. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HostPrograms } from '../../src/daemon/host-programs.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';
import { ensure, freshFolder, freshPlace, only, sys } from './base-image-rig.ts';

describe.skipIf(skipUnlessRoot() || skipUnlessProgram('gcc'))('the libraries of a program', () => {
  function build(...flags: readonly string[]): { folder: string; program: string; library: string } {
    const folder = freshFolder();
    const library = join(folder, 'lib', 'libfar.so');
    mkdirSync(join(folder, 'lib'));
    writeFileSync(join(folder, 'far.c'), 'int far(void) { return 0; }\n');
    writeFileSync(join(folder, 'main.c'), 'int far(void); int main(void) { return far(); }\n');
    execFileSync('gcc', ['-shared', '-fPIC', '-o', library, join(folder, 'far.c')]);
    const program = join(folder, 'program');
    execFileSync('gcc', [
      '-o',
      program,
      join(folder, 'main.c'),
      `-L${join(folder, 'lib')}`,
      '-lfar',
      ...flags,
    ]);
    return { folder, program, library };
  }

  test('are found by its own run path', () => {
    const { program, library } = build('-Wl,-rpath,$ORIGIN/lib');
    expect(new HostPrograms(sys).withLibraries(program)?.get(library)).toEqual({ copy: library });
  });

  test('that only the host’s cache leads to are put where the loader looks without one', () => {
    const { folder, program, library } = build();
    expect(new HostPrograms(sys).withLibraries(program)).toBeUndefined();
    const told = new (class extends Kernel {
      override readIfThere(path: string): string | undefined {
        return path === '/etc/ld.so.conf' ? `# ours\n${join(folder, 'lib')}\n` : super.readIfThere(path);
      }
    })();
    const entries = new HostPrograms(told).withLibraries(program) ?? new Map<string, unknown>();
    expect(entries.has(library)).toBe(false);
    const put = [...entries].find(([at]) => at.endsWith('/libfar.so'));
    expect(put?.[1]).toEqual({ copy: library });
    expect([...entries.keys()].some((at) => at === put?.[0].replace('libfar.so', 'libc.so.6'))).toBe(true);
  });

  test('of another architecture are passed over', () => {
    const { program, library } = build('-Wl,-rpath,$ORIGIN/lib');
    const bytes = readFileSync(library);
    bytes.writeUInt16LE(0xf3, 18);
    writeFileSync(library, bytes);
    expect(new HostPrograms(sys).withLibraries(program)).toBeUndefined();
  });

  test('of a torn program are not looked for', () => {
    const { program } = build('-Wl,-rpath,$ORIGIN/lib');
    writeFileSync(program, readFileSync(program).subarray(0, 300));
    expect(new HostPrograms(sys).withLibraries(program)).toBeUndefined();
  });
});

describe.skipIf(skipUnlessRoot())('a program that is none', () => {
  test('a script is left out, since its interpreter may not be there', () => {
    const script = join(freshFolder(), 'cat');
    writeFileSync(script, '#!/bin/sh\n', { mode: 0o755 });
    expect(new HostPrograms(sys).withLibraries(script)).toBeUndefined();
    const said = ensure(freshPlace(), (name) => (name === 'cat' ? script : only('sh')(name)));
    expect(said[0]).toContain('from 1 programs of this host');
  });
});
