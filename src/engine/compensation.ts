/**
 * Compensations: the closed set of things that undo can do, as data. A journal holds them, so another process, or a newer
 * ts-dock, can undo a run without any step's code. Each carries what identifies its object, so that nothing foreign is
 * ever undone; an object that is not there (any more) is a success. Paths named `path` are relative to the root and are
 * opened beneath it.
 */

/**
 * transient: goes at exit. unless-finished: stays when the run went to its end, goes when it did not (an image that is being
 * loaded). with-container: goes at `rm`. host: goes at `host down`. never: user data, named but not touched.
 */
export type Lifetime = 'transient' | 'unless-finished' | 'with-container' | 'host' | 'never';

export type Compensation = { readonly lifetime: Lifetime } & (
  | { readonly kind: 'unmount'; readonly path: string; readonly fstype: string; readonly source: string }
  | { readonly kind: 'delete-link'; readonly name: string; readonly alias: string; readonly master: string }
  | {
      readonly kind: 'delete-rule';
      readonly table: string;
      readonly chain: string;
      readonly rule: readonly string[];
    }
  | { readonly kind: 'delete-chain'; readonly table: string; readonly chain: string }
  /** Kills every member of the cgroup `<parent>/<name>` in every hierarchy, then removes it. */
  | { readonly kind: 'remove-cgroup'; readonly parent: string; readonly name: string }
  | { readonly kind: 'remove-cgroup-parent'; readonly parent: string }
  | { readonly kind: 'remove-tree'; readonly path: string }
  | { readonly kind: 'remove-file'; readonly path: string }
  /** Only where the file's content is `content`: a lease of our own. */
  | { readonly kind: 'release-lease'; readonly path: string; readonly content: string }
  | { readonly kind: 'release-name'; readonly name: string; readonly id: string }
  /**
   * An image (empty: none), and those of these layers (chain ids, the lowest first) on which nothing else stands; they need
   * not be there yet. It stays where a name, a container or another image has come to use it.
   */
  | { readonly kind: 'drop-image'; readonly id: string; readonly layers: readonly string[] }
  /** Only while the tag still means `ours`. `old`: the image that it meant before, empty where it was not there. */
  | {
      readonly kind: 'restore-tag';
      readonly repository: string;
      readonly tag: string;
      readonly ours: string;
      readonly old: string;
    }
  /** Only while the file still reads `ours`. `file` is absolute: a file of /proc/sys. */
  | { readonly kind: 'restore-file'; readonly file: string; readonly ours: string; readonly old: string }
  | { readonly kind: 'kill-process'; readonly pid: number; readonly startTime: string }
  /** A container that this run made stand still: it goes on. */
  | { readonly kind: 'thaw'; readonly container: string }
  /** A container that is written down as running, by a process that is no more: exit code 255, as nobody saw it end. */
  | { readonly kind: 'settle-state'; readonly container: string }
  /** A named volume or a bind source: shown, never touched. */
  | { readonly kind: 'user-data'; readonly what: string }
);

/** `unmount overlay/mnt/ab12…`: what a card and `recover --script` call it. */
export function compensationText(c: Compensation): string {
  switch (c.kind) {
    case 'unmount':
      return `unmount ${c.path} (${c.fstype})`;
    case 'delete-link':
      return `delete link ${c.name}`;
    case 'delete-rule':
      return `delete rule -t ${c.table} ${c.chain} ${c.rule.join(' ')}`;
    case 'delete-chain':
      return `delete chain -t ${c.table} ${c.chain}`;
    case 'remove-cgroup':
      return `kill and remove cgroup ${c.parent}/${c.name}`;
    case 'remove-cgroup-parent':
      return `remove cgroup ${c.parent} if it is empty`;
    case 'remove-tree':
      return `remove tree ${c.path}`;
    case 'remove-file':
      return `remove file ${c.path}`;
    case 'release-lease':
      return `release lease ${c.path}`;
    case 'release-name':
      return `release name ${c.name}`;
    case 'drop-image':
      return c.id === ''
        ? `drop layers on which nothing stands: ${c.layers.map((id) => id.slice(0, 12)).join(', ')}`
        : `drop image ${c.id.slice(0, 12)} and its layers`;
    case 'restore-tag':
      return c.old === ''
        ? `untag ${c.repository}:${c.tag}`
        : `tag ${c.repository}:${c.tag} as ${c.old.slice(0, 12)} again`;
    case 'restore-file':
      return `restore ${c.file} to ${JSON.stringify(c.old)}`;
    case 'kill-process':
      return `kill process ${c.pid.toString()} started at ${c.startTime}`;
    case 'thaw':
      return `let ${c.container.slice(0, 12)} go on`;
    case 'settle-state':
      return `record that ${c.container.slice(0, 12)} no longer runs`;
    case 'user-data':
      return `leave ${c.what} (user data)`;
  }
}
