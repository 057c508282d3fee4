/** What lies in the root: which containers, layers, mounts and leases there are by name; of the container at hand also what its layers hold. */
import type { Subject } from './names.ts';
import { Beneath } from './read.ts';

const FOLDERS = [
  'containers',
  'graph',
  'overlay',
  'overlay/mnt',
  'execdriver/native',
  'volumes',
  'network/leases',
];
const FILES = ['repositories-overlay', 'linkgraph.db'];
/** A layer may hold anything: this many of its names are looked at, this deep. */
const MOST_ENTRIES = 60;
const MOST_DEPTH = 4;

export function store({ root, containerId }: Subject): Record<string, string> {
  const lines: Record<string, string> = {};
  Beneath.with(root, (beneath) => {
    for (const file of FILES) if (beneath.at(file) !== undefined) lines[file] = 'there';
    for (const folder of FOLDERS) {
      const found = beneath.at(folder);
      if (found?.is !== 'folder') continue;
      for (const name of found.names) lines[`${folder}/${name}`] = contentOf(beneath, `${folder}/${name}`);
    }
    if (containerId !== undefined) layers(lines, beneath, containerId);
  });
  return lines;
}

/** A lease's content is who has it. */
function contentOf(beneath: Beneath, path: string): string {
  const found = path.startsWith('network/leases/') ? beneath.at(path) : undefined;
  return found?.is === 'file' ? found.text.trim().slice(0, 80) : 'there';
}

function layers(lines: Record<string, string>, beneath: Beneath, id: string): void {
  let left = MOST_ENTRIES;
  const walk = (path: string, depth: number): void => {
    const found = beneath.at(path);
    if (found?.is !== 'folder' || depth > MOST_DEPTH) return;
    for (const name of found.names) {
      if (left-- <= 0) return;
      const inner = `${path}/${name}`;
      const what = beneath.at(inner);
      if (what !== undefined)
        lines[inner] =
          what.is === 'link'
            ? `-> ${what.target}`
            : what.is === 'other'
              ? what.what
              : what.is === 'file'
                ? `${what.text.length} bytes`
                : 'folder';
      walk(inner, depth + 1);
    }
  };
  walk(`overlay/${id}-init`, 1);
  walk(`overlay/${id}`, 1);
}
