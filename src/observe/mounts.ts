/** Mounts: the host's beneath the root, and the table that the container's process has. */
import { cut } from './flatten.ts';
import type { Subject } from './names.ts';
import { namespaceOf } from './namespaces.ts';
import { readMountinfo } from './read.ts';

const MOST_OPTIONS = 160;

interface Mount {
  readonly target: string;
  readonly text: string;
}

export function mounts({ root, pid }: Subject): Record<string, string> {
  const lines: Record<string, string> = {};
  const host = readMountinfo('self');
  for (const { target, text } of parse(host)) {
    if (target.startsWith(`${root}/`)) add(lines, `host ${target.slice(root.length + 1)}`, text);
  }
  if (pid === undefined || namespaceOf(pid, 'mnt') === namespaceOf('self', 'mnt')) return lines;
  for (const { target, text } of parse(readMountinfo(pid))) add(lines, `container ${target}`, text);
  return lines;
}

/** Several mounts may lie on one place, the last on top. */
function add(lines: Record<string, string>, key: string, text: string): void {
  let place = key;
  for (let n = 2; place in lines; n++) place = `${key} (${n})`;
  lines[place] = text;
}

function parse(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const separator = line.indexOf(' - ');
    if (separator < 0) return [];
    const [, , , root = '', target = '', options = '', ...tags] = line.slice(0, separator).split(' ');
    const [fstype = '', source = '', superOptions = ''] = line.slice(separator + 3).split(' ');
    const from = root === '/' ? unescape(source) : `${unescape(source)}[${unescape(root)}]`;
    return [
      {
        target: unescape(target),
        text: `${fstype} from ${from} ${options} ${propagation(tags)}${detail(fstype, superOptions)}`,
      },
    ];
  });
}

function propagation(tags: readonly string[]): string {
  const names = tags.map((tag) => (tag.startsWith('master:') ? 'slave' : (tag.split(':')[0] ?? '')));
  return names.length === 0 ? 'private' : names.join('+');
}

/** Layers and sizes are worth seeing; of other filesystems the options of the superblock say little. */
function detail(fstype: string, options: string): string {
  return fstype === 'overlay' || fstype === 'tmpfs' ? ` (${cut(unescape(options), MOST_OPTIONS)})` : '';
}

/** The kernel writes blanks and backslashes of a path in octal. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
