/**
 * Blobs into `downloads/<hex>`: begun ones go on where they were, what comes is counted and hashed as it comes, and a blob
 * gets its name only when its digest is right. Never more bytes are read than the manifest says.
 */
import { TsDockError } from '../engine/failure.ts';
import { BlobFile, chunksOf } from '../kernel/blob-file.ts';
import { KernelError, refusedWith } from '../kernel/calls.ts';
import { sha256 } from '../kernel/hash.ts';
import { HttpError, type HttpAnswer } from '../kernel/http.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Hash } from 'node:crypto';
import { Claims } from './claims.ts';
import { wrongDigest } from './fetch.ts';
import type { Descriptor } from './manifest.ts';
import { unanswered } from './refusals.ts';
import { isPassing, pause, type Registry } from './registry.ts';

/** A blob that has the name of its digest and its size. */
export function isDownloaded(sys: Kernel, folder: string, { digest, size }: Descriptor): boolean {
  try {
    const found = sys.lstat(Claims.paths(folder, hexOf(digest)).whole);
    return found.isFile() && found.size === size;
  } catch (error) {
    if (refusedWith(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Bytes of it that are here; undefined: all, under its own name. */
export function begun(sys: Kernel, folder: string, blob: Descriptor): number | undefined {
  if (isDownloaded(sys, folder, blob)) return undefined;
  try {
    const { size } = sys.lstat(Claims.paths(folder, hexOf(blob.digest)).part);
    return size > blob.size ? 0 : size;
  } catch (error) {
    if (refusedWith(error, 'ENOENT')) return 0;
    throw error;
  }
}

/** Its bytes, as they were fetched. @throws HttpError `ABORTED` */
export async function* blobOf(
  folder: string,
  { digest }: Descriptor,
  signal: AbortSignal,
  progress: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let done = 0;
  for await (const chunk of chunksOf(Claims.paths(folder, hexOf(digest)).whole)) {
    if (signal.aborted) throw new HttpError('ABORTED', 'it was broken off');
    yield chunk;
    done += chunk.length;
    progress(done);
  }
}

/** The caller has the claim on it. */
export function discard(sys: Kernel, folder: string, { digest }: Descriptor): void {
  const { whole, part } = Claims.paths(folder, hexOf(digest));
  unlinkIfThere(sys, whole);
  unlinkIfThere(sys, part);
}

export const hexOf = (digest: string): string => digest.slice(digest.indexOf(':') + 1);

/**
 * The caller has the claim on it.
 *
 * @param progress - bytes that are there, from time to time
 * @throws TsDockError `registry`, `unauthorized`, `bad-image`; HttpError `ABORTED`
 */
export async function download(
  sys: Kernel,
  registry: Registry,
  folder: string,
  blob: Descriptor,
  progress: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const hex = hexOf(blob.digest);
  const what = `fetch layer ${hex.slice(0, 12)}`;
  if (isDownloaded(sys, folder, blob)) {
    progress(blob.size);
    return;
  }
  const { whole, part } = Claims.paths(folder, hex);
  const most = registry.settings.budgets.bytes;
  if (blob.size > most)
    throw new TsDockError('bad-image', `cannot ${what}: it has ${blob.size} bytes, and may have ${most}`);
  const file = BlobFile.open(part);
  try {
    let resumed = file.size > 0;
    for (;;) {
      const hash = await fill(registry, file, blob, what, progress, signal);
      const digest = `sha256:${hash.digest('hex')}`;
      if (digest === blob.digest) break;
      file.truncate();
      // A power cut may have torn what an earlier pull had left here: then it is fetched once more, from the start.
      if (!resumed) throw wrongDigest(what, blob.digest, digest);
      resumed = false;
    }
    sys.rename(part, whole);
  } catch (error) {
    // Half a blob on a full disk would keep it full; what is wrong is of no use to anybody.
    const useless =
      error instanceof KernelError || (error instanceof TsDockError && error.reason === 'bad-image');
    if (useless) unlinkIfThere(sys, part);
    throw error instanceof KernelError ? cannotKeep(what, error) : error;
  } finally {
    file.close();
  }
}

/** Fetches until all bytes are there; answers with their hash. */
async function fill(
  registry: Registry,
  file: BlobFile,
  blob: Descriptor,
  what: string,
  progress: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<Hash> {
  const { retries, backOff } = registry.settings;
  if (file.size > blob.size) file.truncate();
  let hash = sha256();
  for await (const chunk of file.size === 0 ? [] : chunksOf(file.path)) {
    hash.update(chunk);
    if (signal?.aborted === true) throw new HttpError('ABORTED', 'it was broken off');
  }
  let etag = '';
  let most = file.size;
  const restart = (): void => {
    file.truncate();
    hash = sha256();
  };
  for (let tried = 0; file.size < blob.size;) {
    progress(file.size);
    const before = file.size;
    try {
      const answer = await registry.ask({
        method: 'GET',
        path: `blobs/${blob.digest}`,
        headers:
          before === 0 ? {} : { range: `bytes=${before}-`, ...(etag === '' ? {} : { 'if-range': etag }) },
        what,
        accept: before === 0 ? [200] : [200, 206, 416],
        ...(signal === undefined ? {} : { signal }),
      });
      if (answer.status === 416 || (answer.status === 206 && !goesOn(answer, before, blob.size))) {
        answer.drop();
        restart();
        tried += 1;
        if (tried > retries)
          throw new TsDockError('registry', `cannot ${what}: the registry gives another part than asked for`);
        continue;
      }
      // It does not know of parts: all of it, from the start.
      if (answer.status === 200 && before > 0) restart();
      etag = strong(answer.headers.etag);
      await receive(answer, file, hash, blob, what, progress);
      if (file.size < blob.size) throw new HttpError('ECONNRESET', 'the answer was cut');
    } catch (error) {
      if (!isPassing(error)) throw error;
      // A connection that brought something was worth the try, but not one that brought the same again.
      tried = file.size > most ? 0 : tried + 1;
      most = Math.max(most, file.size);
      if (tried > retries) throw unanswered(what, registry.base, error as HttpError);
      await pause(backOff * 2 ** Math.min(tried, 6), signal);
    }
  }
  progress(file.size);
  return hash;
}

async function receive(
  answer: HttpAnswer,
  file: BlobFile,
  hash: Hash,
  blob: Descriptor,
  what: string,
  progress: (bytes: number) => void,
): Promise<void> {
  const refuse = (why: string): TsDockError => {
    answer.drop();
    return new TsDockError('bad-image', `cannot ${what}: ${why}`, {
      means: 'The manifest says how long it is, and nothing beyond that is read.',
    });
  };
  const encoding = answer.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw refuse(`it is sent in the coding ${JSON.stringify(encoding.slice(0, 40))}`);
  const told = answer.headers['content-length'];
  const left = blob.size - file.size;
  if (told !== undefined && Number(told) !== left)
    throw refuse(`the registry sends ${told} bytes, and ${left} are what the manifest says`);
  for await (const chunk of answer.body) {
    if (chunk.length > blob.size - file.size)
      throw refuse(`it is longer than the ${blob.size} bytes of the manifest`);
    file.append(chunk);
    hash.update(chunk);
    progress(file.size);
  }
}

/** `Content-Range: bytes FROM-TO/TOTAL` continues what we have. */
function goesOn({ headers }: HttpAnswer, from: number, size: number): boolean {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
  return Number(first) === from && Number(last) === size - 1 && (total === '*' || Number(total) === size);
}

/** A weak one says only that two contents mean the same. */
const strong = (etag: string | undefined): string => (etag?.startsWith('"') === true ? etag : '');

export function unlinkIfThere(sys: Kernel, path: string): void {
  try {
    sys.unlink(path);
  } catch (error) {
    if (!refusedWith(error, 'ENOENT')) throw error;
  }
}

function cannotKeep(what: string, error: KernelError): TsDockError {
  return new TsDockError('registry', `cannot ${what}: it cannot be written (${error.code})`, {
    means: error.message,
    remedy:
      error.code === 'ENOSPC' ? 'Make room, and pull again: what was fetched whole is still there.' : '',
    cause: error,
  });
}

/** A day: somebody who was cut short has come back by then. */
const OLD = 24 * 60 * 60 * 1000;

/** Removes what earlier pulls left and nobody came back for. Before any claim is taken: to look at a lock gives it up. */
export function sweep(sys: Kernel, folder: string, now: number): string[] {
  const swept: string[] = [];
  const seen = new Set<string>();
  for (const name of sys.readdirPath(folder)) {
    const [, hex = ''] = /^([0-9a-f]{64})(?:\.part|\.lock)?$/.exec(name) ?? [];
    const path = `${folder}/${name}`;
    let age: number;
    try {
      age = now - sys.lstat(path).mtimeMs;
    } catch (error) {
      if (refusedWith(error, 'ENOENT')) continue;
      throw error;
    }
    if (age < OLD || seen.has(hex)) continue;
    if (hex === '') {
      unlinkIfThere(sys, path);
      continue;
    }
    seen.add(hex);
    const claims = new Claims(sys, folder);
    // A lock file is as old as its claim; the blob that it stands for may be young.
    if (!claims.tryTake(hex)) continue;
    if (isYoung(sys, folder, hex, now)) claims.letGo(hex);
    else {
      claims.drop(hex);
      swept.push(hex);
    }
  }
  return swept;
}

function isYoung(sys: Kernel, folder: string, hex: string, now: number): boolean {
  const { whole, part } = Claims.paths(folder, hex);
  return [whole, part].some((path) => sys.exists(path) && now - sys.lstat(path).mtimeMs < OLD);
}
