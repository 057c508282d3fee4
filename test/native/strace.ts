/** What `strace -ff -ttt` wrote, taken apart: names, arguments, results, in a spelling that two sides can agree on. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Traced {
  readonly call: string;
  readonly args: readonly string[];
  /** `0`, a descriptor, `ENOENT`; in strace's spelling. */
  readonly result: string;
}

interface Timed extends Traced {
  readonly at: number;
}

const LINE = /^(\d+\.\d+) (\w+)\((.*)\)\s+= (-?\w+)(?: ([A-Z]+)\b)?/;

function linesOf(file: string): Timed[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, at, call, args, value, errno] = LINE.exec(line) ?? [];
      if (at === undefined || call === undefined) return [];
      const result = value === '-1' && errno !== undefined ? errno : (value ?? '');
      return [{ at: Number(at), call, args: splitArguments(args ?? ''), result }];
    });
}

/** Of one process. */
export function tracedOf(folder: string, pid: number): Traced[] {
  return linesOf(join(folder, `s.${pid}`));
}

/** Of all others, in the order of time: Node has threads. */
export function tracedBut(folder: string, pid: number): Traced[] {
  return readdirSync(folder)
    .filter((name) => /^s\.\d+$/.test(name) && name !== `s.${pid}`)
    .flatMap((name) => linesOf(join(folder, name)))
    .sort((a, b) => a.at - b.at);
}

/** At the commas that stand in no string and no bracket. */
export function splitArguments(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[^"]/g)) {
    if (token === ',' && depth === 0) {
      parts.push(part.trim());
      part = '';
      continue;
    }
    if ('[{('.includes(token)) depth += 1;
    if (']})'.includes(token)) depth -= 1;
    part += token;
  }
  return part.trim() === '' ? parts : [...parts, part.trim()];
}

const CAPABILITY = /1<<CAP_(\w+)/g;

/**
 * One spelling for both: flags in order of their names, zero flags left out, numbers in decimal, capability sets as
 * numbers, and without what strace knows only afterwards.
 */
export function canonical(arg: string, capabilities: readonly string[]): string {
  if (arg.startsWith('"')) return arg;
  const plain = arg
    .replace(/ ?\/\* [A-Z_?]+ \*\//g, '')
    .replace(/0x[0-9a-f]+ (?=\/\* \d+ vars)/, '')
    .replace(/(?:1<<CAP_\w+\|?)+/g, (set) => {
      const bits = [...set.matchAll(CAPABILITY)].map(
        ([, name]) => 1n << BigInt(capabilities.indexOf(name ?? '')),
      );
      return bits.reduce((sum, bit) => sum | bit, 0n).toString();
    })
    .replace(/(\d+)\*(\d+)/g, (_, a: string, b: string) => (Number(a) * Number(b)).toString())
    .replace(/\b0x[0-9a-f]+\b/g, (hex) => BigInt(hex).toString())
    .replace(/RLIM64_INFINITY/g, 'RLIM_INFINITY')
    .replace(/version=|pid=/g, '')
    .replace(/, (?:filter|ifr_ifindex)=\w+/g, '')
    .replace(/~0U|\b4294967295\b/g, '~0U');
  return plain.replace(/[A-Z][A-Z0-9_]*(?:\|[A-Z0-9_]+)+/g, (flags) =>
    flags
      .split('|')
      // A zero by name: one side writes it, the other not.
      .filter((flag) => flag !== 'O_RDONLY')
      .sort()
      .join('|'),
  );
}
