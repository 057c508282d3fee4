/**
 * Which capabilities a container keeps: an allow list of 14, with --cap-add and --cap-drop on top. A list
 * of what to drop was Docker's first way, and forgot one that opened every file of the host (June 2014, no CVE number).
 */
import { TsDockError } from '../engine/failure.ts';
import { CAPABILITY_NAMES } from '../kernel/capability-names.ts';

export const KEPT: readonly string[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FSETID',
  'FOWNER',
  'MKNOD',
  'NET_RAW',
  'SETGID',
  'SETUID',
  'SETFCAP',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
  'KILL',
  'AUDIT_WRITE',
];

const ALL: readonly string[] = CAPABILITY_NAMES.map(plain);

/** Docker's order: `all` first fills or empties the set, then the single names are taken away, then added. Names in the kernel's order. */
export function keptCapabilities(add: readonly string[], drop: readonly string[]): string[] {
  const adds = add.map((name) => known(name, 'Unknown capability to add'));
  const drops = drop.map((name) => known(name, 'Unknown capability to drop'));
  const base = drops.includes('ALL') ? [] : adds.includes('ALL') ? ALL : KEPT;
  const kept = new Set(base.filter((name) => !drops.includes(name)));
  for (const name of adds) if (name !== 'ALL') kept.add(name);
  return ALL.filter((name) => kept.has(name));
}

function plain(name: string): string {
  return name.toUpperCase().replace(/^CAP_/, '');
}

function known(name: string, complaint: string): string {
  const wanted = plain(name);
  if (wanted === 'ALL' || ALL.includes(wanted)) return wanted;
  throw new TsDockError('bad-usage', `${complaint}: "${name}"`, {
    remedy: 'capabilities(7) lists the names; CAP_ in front may be left away.',
  });
}
