/** Where a root keeps its things and what its things on the host are called. Pure: asks nothing, makes nothing. */
import { join } from 'node:path';

export const DEFAULT_ROOT = '/var/lib/ts-dock';

/** The names of one root. All paths absolute. */
export interface Place {
  readonly root: string;
  readonly containers: string;
  readonly graph: string;
  /** The TagStore's file. */
  readonly repositories: string;
  readonly overlay: string;
  readonly volumes: string;
  readonly linkgraph: string;
  readonly execdriver: string;
  readonly journal: string;
  readonly leases: string;
  /** The private copy of dockerinit. */
  readonly init: string;
  /** A folder per run for what is being unpacked; that run's compensation removes it. */
  readonly work: string;
  /** Blobs of registries, whole and verified or begun, kept so that a pull that was cut short need not fetch them again. */
  readonly downloads: string;
  /** Held while something shared changes: names, the host's network. */
  readonly lock: string;
  readonly bridge: string;
  /** Prefix of the chains in iptables. */
  readonly chain: string;
  /** Directory at the root of each cgroup hierarchy. */
  readonly cgroupParent: string;
}

/** Eight hexadecimal digits that name a root on the host (FNV-1a): to tell roots apart, not to keep anything secret. */
export function rootHash(root: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(root)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, '0');
}

/** Two roots, or Docker itself, can live beside each other: only the default root has the plain names. */
export function placeOf(root: string): Place {
  const own = root === DEFAULT_ROOT;
  const hash = own ? '' : rootHash(root);
  return {
    root,
    containers: join(root, 'containers'),
    graph: join(root, 'graph'),
    repositories: join(root, 'repositories-overlay'),
    overlay: join(root, 'overlay'),
    volumes: join(root, 'volumes'),
    linkgraph: join(root, 'linkgraph.db'),
    execdriver: join(root, 'execdriver', 'native'),
    journal: join(root, 'journal'),
    leases: join(root, 'network', 'leases'),
    init: join(root, 'init'),
    work: join(root, 'work'),
    downloads: join(root, 'downloads'),
    lock: join(root, 'lock'),
    bridge: own ? 'tsdock0' : `tsd-${hash}`,
    chain: own ? 'TSDOCK' : `TSD-${hash}`,
    cgroupParent: own ? 'ts-dock' : `ts-dock-${hash}`,
  };
}
