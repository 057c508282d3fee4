/**
 * What `docker save` wrote up to 1.9 (Docker image specification v1): a folder for each layer, `<id>/{VERSION,json,layer.tar}`,
 * whose json names its parent, and `repositories`. There are no digests in it: as Docker does since 1.10, the layers are
 * read once to find theirs, and a configuration is made of what the jsons say.
 */
import type { Budgets } from '../archive/budgets.ts';
import { decompressed } from '../archive/decompress.ts';
import { badArchive } from '../archive/refusal.ts';
import {
  imageConfigText,
  parseImageConfig,
  type HistoryEntry,
  type ImageConfig,
} from '../daemon/image-config.ts';
import { MAX_IMAGE_DEPTH } from '../daemon/images.ts';
import type { Name } from '../daemon/reference.ts';
import { isId, shortId } from '../daemon/store.ts';
import { sha256 } from '../kernel/hash.ts';
import { nameAt } from './docker.ts';
import {
  MOST_IMAGES,
  type ImageSet,
  type OfferedImage,
  type OfferedLayer,
  type ReadOptions,
} from './image-set.ts';
import { badEntry, type At } from './json.ts';
import { documentIn, type Members } from './members.ts';
import { ownPlatform } from '../registry/platform.ts';

interface Link {
  readonly id: string;
  readonly parent: string;
}

/** Real ones have a few kilobytes, and an image has 127 of them. */
const MOST_JSON = 256 * 1024;

/** Undefined where there is no image in this form. */
export async function readV1(members: Members, options: ReadOptions): Promise<ImageSet | undefined> {
  const ids = members.tops().filter((name) => isId(name) && members.has(`${name}/json`));
  const named = members.has('repositories');
  if (ids.length === 0 && !named) return undefined;
  const links = new Map<string, Link>();
  const linkOf = (id: string): Link => {
    const known = links.get(id) ?? readLink(members, id, options.budgets);
    links.set(id, known);
    return known;
  };
  const wanted = named ? namesIn(members, options.budgets) : leaves(ids, linkOf);
  if (wanted.size === 0) throw badArchive(members.file, 'no image is named in it');
  const diffIds = new Map<string, string>();
  const images: OfferedImage[] = [];
  for (const [id, names] of wanted) {
    const chain = chainOf(members.file, id, linkOf);
    for (const link of chain)
      if (!diffIds.has(link.id)) diffIds.set(link.id, await diffIdOf(members, link.id, options));
    images.push(imageOf(members, options.budgets, chain, names, diffIds));
  }
  return { form: 'docker v1', images, notes: [], warnings: [] };
}

/** Its id is checked by whoever asks for it, before it becomes a name in the archive. */
function readLink(members: Members, id: string, budgets: Budgets): Link {
  const version = members.whole(`${id}/VERSION`, 64).toString('utf8').trim();
  if (version !== '1.0') throw badEntry(members.file, `${id}/VERSION`, 'it must be 1.0');
  const json = jsonOf(members, id, budgets);
  if (json.get('id').value !== id) throw json.get('id').refused('must be the name of its folder');
  const parent = json.get('parent').textOrNone();
  if (parent !== '' && !isId(parent)) throw json.get('parent').refused('must have 64 hexadecimal digits');
  return { id, parent };
}

const jsonOf = (members: Members, id: string, budgets: Budgets): At =>
  documentIn(members, `${id}/json`, { ...budgets, json: Math.min(budgets.json, MOST_JSON) });

function namesIn(members: Members, budgets: Budgets): Map<string, Name[]> {
  const named = new Map<string, Name[]>();
  for (const [repository, tags] of documentIn(members, 'repositories', budgets).entries()) {
    for (const [tag, id] of tags.entries()) {
      const image = id.text();
      // It becomes part of a name in the archive, and of a path in the store (CVE-2014-9358).
      if (!isId(image)) throw id.refused('must have 64 hexadecimal digits');
      const name = nameAt(members.file, 'repositories', `${repository}:${tag}`);
      named.set(image, [...(named.get(image) ?? []), name]);
    }
  }
  return named;
}

/** `docker save ID` names nothing: then all that nothing else stands on. */
function leaves(ids: readonly string[], linkOf: (id: string) => Link): Map<string, Name[]> {
  if (ids.length > MOST_IMAGES * MAX_IMAGE_DEPTH) return new Map();
  const parents = new Set(ids.map((id) => linkOf(id).parent));
  return new Map(ids.filter((id) => !parents.has(id)).map((id) => [id, []]));
}

/** From the lowest layer up. */
function chainOf(file: string, top: string, linkOf: (id: string) => Link): Link[] {
  const chain: Link[] = [];
  const seen = new Set<string>();
  for (let id = top; id !== '';) {
    if (seen.has(id)) throw badEntry(file, `${id}/json`, 'it is its own ancestor');
    seen.add(id);
    if (seen.size > MAX_IMAGE_DEPTH)
      throw badEntry(file, `${top}/json`, `it stands on more than ${MAX_IMAGE_DEPTH} layers`);
    const link = linkOf(id);
    chain.unshift(link);
    id = link.parent;
  }
  return chain;
}

async function diffIdOf(members: Members, id: string, { budgets, progress }: ReadOptions): Promise<string> {
  const name = `${id}/layer.tar`;
  const total = members.sizeOf(name);
  const hash = sha256();
  let done = 0;
  for await (const bytes of decompressed(members.stream(name), budgets, `${members.file}: ${name}`)) {
    hash.update(bytes);
    done += bytes.length;
    progress(shortId(id), done, total);
  }
  return `sha256:${hash.digest('hex')}`;
}

function imageOf(
  members: Members,
  budgets: Budgets,
  chain: readonly Link[],
  names: readonly Name[],
  diffIds: ReadonlyMap<string, string>,
): OfferedImage {
  const top = chain.at(-1);
  if (top === undefined) throw badArchive(members.file, 'an image in it has no layers');
  const what = `${top.id}/json`;
  const layers = chain.map(({ id }): OfferedLayer => {
    const name = `${id}/layer.tar`;
    return {
      name,
      size: members.sizeOf(name),
      diffId: diffIds.get(id) ?? '',
      open: () => members.stream(name),
    };
  });
  const jsons = chain.map(({ id }) => jsonOf(members, id, budgets));
  const configText = configOf(`${members.file}: ${what}`, jsons, layers);
  const config = parseImageConfig(`${members.file}: ${what}`, configText);
  return { what, configBytes: Buffer.from(configText), config, layers, names };
}

function configOf(what: string, jsons: readonly At[], layers: readonly OfferedLayer[]): string {
  const json = jsons[jsons.length - 1] as At;
  const config = json.get('config').isThere ? json.get('config') : json.get('container_config');
  const author = json.get('author').textOrNone();
  const of = (name: string, otherwise: string): string => {
    const text = json.get(name).textOrNone();
    return text === '' ? otherwise : text;
  };
  // What an image may say is decided in one place, also for these: as the configuration that they would stand in.
  const { config: allowed } = parseImageConfig(
    what,
    JSON.stringify({
      architecture: ownPlatform().architecture,
      os: 'linux',
      config: config.isThere ? config.object() : {},
      rootfs: { type: 'layers', diff_ids: [] },
    }),
  );
  const made: ImageConfig = {
    architecture: of('architecture', ownPlatform().architecture),
    os: of('os', 'linux'),
    created: of('created', '1970-01-01T00:00:00Z'),
    ...(author === '' ? {} : { author }),
    config: allowed,
    diffIds: layers.map(({ diffId }) => diffId),
    history: jsons.map(historyOf),
  };
  return imageConfigText(made);
}

function historyOf(json: At): HistoryEntry {
  const command = json.get('container_config').isThere ? json.get('container_config').get('Cmd') : undefined;
  const words = command?.isThere === true ? command.list(100_000).map((word) => word.text()) : [];
  const word = (name: 'created' | 'author' | 'comment'): Partial<HistoryEntry> => {
    const text = json.get(name).textOrNone();
    return text === '' ? {} : { [name]: text };
  };
  return { ...word('created'), created_by: words.join(' '), ...word('author'), ...word('comment') };
}
