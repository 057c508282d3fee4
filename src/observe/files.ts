/** The container's files on the host: what the daemon wrote down of it, and the three files that it sees as its own. */
import { flatten, cut } from './flatten.ts';
import type { Subject } from './names.ts';
import { Beneath, type Found } from './read.ts';

const MOST_TEXT_LINES = 40;

export function files({ root, containerId }: Subject, showEnv: boolean): Record<string, string> {
  if (containerId === undefined) return {};
  const container = `containers/${containerId}`;
  const bundle = `execdriver/native/${containerId}`;
  const documents = [
    `${container}/config.json`,
    `${container}/hostconfig.json`,
    `${bundle}/container.json`,
    `${bundle}/state.json`,
  ];
  const texts = [`${container}/hosts`, `${container}/hostname`, `${container}/resolv.conf`];
  const lines: Record<string, string> = {};
  Beneath.with(root, (beneath) => {
    for (const path of documents) show(lines, path, beneath.at(path), (text) => json(text, showEnv));
    for (const path of texts) show(lines, path, beneath.at(path), numbered);
  });
  return lines;
}

function show(
  lines: Record<string, string>,
  path: string,
  found: Found | undefined,
  read: (text: string) => Record<string, string>,
): void {
  if (found === undefined) return;
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (found.is === 'file') {
    for (const [key, value] of Object.entries(read(found.text))) lines[`${name} ${key}`.trimEnd()] = value;
  } else {
    // The container can write into some of these, and an image may have brought others: never followed, never opened.
    lines[name] =
      found.is === 'other'
        ? found.what
        : found.is === 'link'
          ? `a symbolic link to ${found.target}: not followed`
          : 'a folder';
  }
}

function json(text: string, showEnv: boolean): Record<string, string> {
  try {
    return flatten(JSON.parse(text), { showEnv });
  } catch {
    return { '': text === '' ? 'empty' : `not JSON: ${cut(text, 60)}` };
  }
}

function numbered(text: string): Record<string, string> {
  const all = text.replace(/\n$/, '').split('\n');
  const lines = Object.fromEntries(
    all.slice(0, MOST_TEXT_LINES).map((line, index) => [`line ${index + 1}`, cut(line, 120)]),
  );
  return all.length > MOST_TEXT_LINES
    ? { ...lines, '…': `+${all.length - MOST_TEXT_LINES} more lines` }
    : lines;
}
