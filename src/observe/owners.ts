/**
 * Whose a line is. Several runs share a host, and what another one makes or ends between two looks must not be taken for
 * the step's own doing. What all runs of a root share (the bridge, an image) is nobody else's and is not marked.
 */
import { OWNERS } from './firewall.ts';
import type { ObserverName, Subject } from './names.ts';

type Lines = Readonly<Record<string, string>>;

/** The keys of lines that belong to another run, another root, or to nothing of ts-dock's. */
export function theirsIn(observer: ObserverName, lines: Lines, subject: Subject): string[] {
  switch (observer) {
    case 'links':
      return links(lines, subject);
    case 'mounts':
      return Object.keys(lines).filter((key) => isOther(/^host overlay\/mnt\/([0-9a-f]{64})/, key, subject));
    case 'cgroups':
      return Object.keys(lines).filter((key) => key.startsWith('group of '));
    case 'firewall':
      return Object.keys(lines).filter((key) => isForeignRule(key, lines[key] ?? ''));
    case 'store':
      return store(lines, subject);
    case 'namespaces':
    case 'process':
    case 'files':
      // Of one container, and it is this one.
      return [];
  }
}

function isOther(pattern: RegExp, key: string, { containerId }: Subject): boolean {
  const id = pattern.exec(key)?.[1];
  return id !== undefined && id !== containerId;
}

/** A port of the bridge is a container's end, and its alias says whose. */
function links(lines: Lines, { bridge, containerId }: Subject): string[] {
  const own = containerId === undefined ? undefined : `alias tsdock:${containerId.slice(0, 12)}`;
  const names = Object.entries(lines).flatMap(([key, text]) => {
    const name = /^host (\S+)$/.exec(key)?.[1];
    const isPort = name !== undefined && text.includes(`master ${bridge}`);
    return isPort && (own === undefined || !text.endsWith(own)) ? [name] : [];
  });
  return Object.entries(lines).flatMap(([key, text]) => {
    const mentioned = names.some((name) => key === `host ${name}` || key === `host ${name} addresses`);
    const routed = key.startsWith('host route ') && names.some((name) => text.endsWith(`dev ${name}`));
    return mentioned || routed ? [key] : [];
  });
}

function isForeignRule(key: string, text: string): boolean {
  if (key === 'ip_forward') return false;
  return !text.startsWith(OWNERS.run) && !text.startsWith(OWNERS.root);
}

const OF_CONTAINER =
  /^(?:containers|overlay\/mnt|execdriver\/native)\/([0-9a-f]{64})|^overlay\/([0-9a-f]{64})-init/;

/** The layer of a container and that of an image have names alike: a container has other things beside it. */
function store(lines: Lines, { containerId }: Subject): string[] {
  const others = new Set(
    Object.keys(lines).flatMap((key) => {
      const [, one, two] = OF_CONTAINER.exec(key) ?? [];
      const id = one ?? two;
      return id === undefined || id === containerId ? [] : [id];
    }),
  );
  return Object.entries(lines).flatMap(([key, text]) => {
    const id = /\/([0-9a-f]{64})/.exec(key)?.[1];
    if (id !== undefined) return others.has(id) ? [key] : [];
    return key.startsWith('network/leases/') && text !== containerId ? [key] : [];
  });
}
