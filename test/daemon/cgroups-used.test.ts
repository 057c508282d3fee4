/** What a group used, by the files of both versions; a host that does not count says nothing. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { usedBy } from '../../src/daemon/cgroups.ts';
import { Kernel } from '../../src/kernel/kernel.ts';

let folder = '';
const put = (group: string, files: Readonly<Record<string, string>>): string => {
  const path = join(folder, group);
  mkdirSync(path);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'used-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

it('is counted by two controllers of v1', () => {
  const cpuacct = put('cpuacct', { 'cpuacct.usage': '123456789\n' });
  const memory = put('memory', { 'memory.max_usage_in_bytes': '4096000\n' });
  expect(usedBy(new Kernel(), { cpuacct, memory })).toEqual({ cpu: 123_456_789, peak: 4_096_000 });
  expect(usedBy(new Kernel(), { memory })).toEqual({ cpu: undefined, peak: 4_096_000 });
});

it('is counted by the one group of v2, whose kernel may be too old for a peak', () => {
  const stat = 'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n';
  const unified = put('new', { 'cpu.stat': stat, 'memory.peak': '8192\n' });
  expect(usedBy(new Kernel(), { unified })).toEqual({ cpu: 1_500_000, peak: 8192 });
  const old = put('old', { 'cpu.stat': stat });
  expect(usedBy(new Kernel(), { unified: old })).toEqual({ cpu: 1_500_000, peak: undefined });
});

it('is not known without cgroups', () => {
  expect(usedBy(new Kernel(), {})).toEqual({ cpu: undefined, peak: undefined });
});
