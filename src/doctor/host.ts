/** What ts-dock itself would touch on this host, and what other roots of it have there. */
import { join } from 'node:path';
import { hierarchies } from '../daemon/cgroups.ts';
import { DEFAULT_ROOT, placeOf, type Place } from '../daemon/place.ts';
import { openRuns } from '../engine/journal.ts';
import { HostLedger } from '../engine/host-journal.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { differs, ok, type Check, type Verdict } from './check.ts';

export const host: readonly Check[] = [
  { id: 'host.touches', title: 'Touched on this host', look: ({ place }) => touched(place) },
  {
    id: 'host.state',
    title: 'Made by this root',
    needsRoot: true,
    look: ({ sys, place }) => made(sys, place),
  },
  { id: 'host.others', title: 'Other roots', look: ({ sys, place }) => others(sys, place) },
];

const touched = ({ root, bridge, chain, cgroupParent }: Place): Verdict =>
  ok(
    `${root}, bridge ${bridge}, chains ${chain} (nat, filter) with a jump to each, cgroups /${cgroupParent}, ip_forward; nothing else`,
  );

function made(sys: Kernel, place: Place): Verdict {
  if (!sys.exists(place.journal)) return ok('nothing yet');
  const runs = openRuns(sys, place.journal);
  const dead = runs.filter((run) => sys.lockHolder(join(place.journal, 'open', run)) === 0);
  const { pending } = new HostLedger(sys, place).story();
  const seen = `${pending.length === 0 ? 'nothing' : `${pending.length} things`} to undo by \`host down\`, ${runs.length - dead.length} running`;
  if (dead.length === 0) return ok(seen);
  return differs(`${seen}, ${dead.length} killed`, {
    means: 'A killed run left something behind; the next command that changes something undoes it.',
    remedy: 'Or `ts-dock recover`, now.',
    brief: `${dead.length} to recover`,
  });
}

/** By the names that every root gives to its things; the path of a root cannot be told from them. */
function others(sys: Kernel, place: Place): Verdict {
  const links = sys
    .network()
    .links.map(({ name }) => name)
    .filter((name) => /^(tsdock0|tsd-[0-9a-f]{8})$/.test(name));
  const groups = hierarchies(sys).list.flatMap(({ mount }) =>
    sys.readdirPath(mount).filter((name) => /^ts-dock(-[0-9a-f]{8})?$/.test(name)),
  );
  const nameOf = (hash: string): string => (hash === '' ? DEFAULT_ROOT : `root ${hash}`);
  const hashes = [
    ...links.map((name) => (name === 'tsdock0' ? '' : name.slice(4))),
    ...groups.map((name) => name.slice(8)),
  ];
  const own = placeOf(place.root).cgroupParent.slice(8);
  const found = new Set(hashes.filter((hash) => hash !== own).map(nameOf));
  if (place.root !== DEFAULT_ROOT && sys.exists(DEFAULT_ROOT)) found.add(DEFAULT_ROOT);
  return ok(found.size === 0 ? 'none' : `${[...found].sort().join(', ')}: left alone`);
}
