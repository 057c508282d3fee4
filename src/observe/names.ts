/** The observers: what can be looked at, always read from the kernel and never from what the program believes. */

export const OBSERVERS = [
  'namespaces',
  'mounts',
  'cgroups',
  'links',
  'firewall',
  'process',
  'files',
  'store',
] as const;
export type ObserverName = (typeof OBSERVERS)[number];

/** Whom to look at: grows as the run goes on. */
export interface Subject {
  readonly root: string;
  /** Directory at the root of each cgroup hierarchy. */
  readonly cgroupParent: string;
  readonly bridge: string;
  readonly containerId?: string;
  /** Host pid of dockerinit, then of the container's program. */
  readonly pid?: number;
}

/** One look: flat, sorted keys, so that two looks can be compared key by key. Values are short; files are capped. */
export interface Observation {
  readonly observer: ObserverName;
  readonly lines: Readonly<Record<string, string>>;
  /** Keys of lines that are not this run's doing: another run's, another root's, somebody else's. */
  readonly theirs?: readonly string[];
}

export interface Change {
  readonly observer: ObserverName;
  readonly key: string;
  /** Absent: was not there. */
  readonly before?: string;
  /** Absent: is gone. */
  readonly after?: string;
  /** It was not this run that changed it. */
  readonly theirs?: true;
}
