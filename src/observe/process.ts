/** The container's process as /proc has it: who it is, what it may do, what it holds, where it stands. */
import { CAPABILITY_NAMES, capabilitiesIn } from '../kernel/capability-names.ts';
import { cut } from './flatten.ts';
import type { Subject } from './names.ts';
import { readKernelFile, readLink, readNames } from './read.ts';

const MOST_DESCRIPTORS = 32;
const SETS = {
  CapInh: 'inheritable',
  CapPrm: 'permitted',
  CapEff: 'effective',
  CapBnd: 'bounding',
  CapAmb: 'ambient',
} as const;
const SECCOMP: Readonly<Record<string, string>> = { '0': 'off', '1': 'strict', '2': 'filter' };

export function process({ pid }: Subject): Record<string, string> {
  const status = pid === undefined ? undefined : readKernelFile(`/proc/${pid}/status`);
  if (pid === undefined || status === undefined) return {};
  const field = fieldsOf(status);
  return {
    pid: (field['NSpid'] ?? String(pid)).split(/\s+/).join(' on the host, ') + ' for itself',
    command: field['Name'] ?? '',
    state: stateOf(field['State'] ?? ''),
    ...places(pid),
    uids: same(field['Uid'] ?? ''),
    gids: same(field['Gid'] ?? ''),
    groups: field['Groups'] === '' || field['Groups'] === undefined ? 'none' : field['Groups'],
    ...capabilities(field),
    'no new privileges': field['NoNewPrivs'] === '1' ? 'yes' : 'no',
    seccomp: SECCOMP[field['Seccomp'] ?? ''] ?? 'unknown',
    umask: field['Umask'] ?? '',
    ...session(pid),
    'oom score adjustment': (readKernelFile(`/proc/${pid}/oom_score_adj`) ?? '').trim(),
    ...limits(pid),
    ...descriptors(pid),
  };
}

function fieldsOf(status: string): Record<string, string> {
  return Object.fromEntries(
    status.split('\n').map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
}

/** Running, sleeping and waiting for a disk change by the microsecond and say nothing about a step. */
function stateOf(state: string): string {
  const letter = state.charAt(0);
  return 'RSDI'.includes(letter)
    ? 'alive'
    : letter === 'Z'
      ? 'zombie: ended, nobody has waited for it yet'
      : state;
}

/** Real, effective, saved and filesystem id; one number where they agree, as they nearly always do. */
function same(ids: string): string {
  const [real = '', effective = '', saved = '', filesystem = ''] = ids.split(/\s+/);
  if (new Set([real, effective, saved, filesystem]).size === 1) return real;
  return `real ${real}, effective ${effective}, saved ${saved}, filesystem ${filesystem}`;
}

function capabilities(field: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(SETS).map(([key, name]) => [`${name} capabilities`, setOf(field[key] ?? '')]),
  );
}

function setOf(hex: string): string {
  const names = capabilitiesIn(hex);
  if (names.length === 0) return 'none';
  return names.length >= CAPABILITY_NAMES.length
    ? `all ${names.length}`
    : `${names.length}: ${names.join(' ')}`;
}

function places(pid: number): Record<string, string> {
  const argv = readKernelFile(`/proc/${pid}/cmdline`) ?? '';
  const lines: Record<string, string> = { arguments: cut(argv.replace(/\0$/, '').replace(/\0/g, ' ')) };
  for (const [name, file] of [
    ['program', 'exe'],
    ['root', 'root'],
    ['working directory', 'cwd'],
  ] as const) {
    const target = readLink(`/proc/${pid}/${file}`);
    if (target !== undefined) lines[name] = target;
  }
  return lines;
}

/** Session and terminal, fields 6 and 7 of stat, counted behind the last bracket: a command name may contain any. */
function session(pid: number): Record<string, string> {
  const stat = readKernelFile(`/proc/${pid}/stat`) ?? '';
  const [, , , leader, terminal] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (leader === undefined || terminal === undefined) return {};
  return { session: leader, terminal: terminal === '0' ? 'none' : terminal };
}

function limits(pid: number): Record<string, string> {
  const rows = (readKernelFile(`/proc/${pid}/limits`) ?? '').split('\n').slice(1);
  return Object.fromEntries(
    rows.flatMap((row): [string, string][] => {
      const [, name, soft, hard] = /^Max (.+?)\s{2,}(\S+)\s+(\S+)/.exec(row) ?? [];
      return name === undefined || soft === undefined || hard === undefined
        ? []
        : [[`limit ${name}`, soft === hard ? soft : `${soft}, at most ${hard}`]];
    }),
  );
}

function descriptors(pid: number): Record<string, string> {
  const numbers = readNames(`/proc/${pid}/fd`);
  const lines: Record<string, string> = {};
  for (const number of numbers.slice(0, MOST_DESCRIPTORS)) {
    const target = readLink(`/proc/${pid}/fd/${number}`);
    if (target !== undefined) lines[`descriptor ${number}`] = cut(target, 120);
  }
  if (numbers.length > MOST_DESCRIPTORS) lines['descriptors'] = `+${numbers.length - MOST_DESCRIPTORS} more`;
  return lines;
}
