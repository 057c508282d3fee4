/**
 * The images of a layout, whichever it is: their configurations, where their layers' archives are, what they are called.
 * Nothing is unpacked here; each configuration is parsed, and every number and id in it is checked.
 */
import type { Budgets } from '../archive/budgets.ts';
import { badArchive } from '../archive/refusal.ts';
import type { ImageConfig } from '../daemon/image-config.ts';
import type { Name } from '../daemon/reference.ts';
import { readDockerArchive } from './docker.ts';
import type { Members } from './members.ts';
import { readOci } from './oci.ts';
import type { Platform } from '../registry/platform.ts';
import { readV1 } from './v1.ts';

export interface OfferedLayer {
  /** For errors and progress: the name of its member. */
  readonly name: string;
  /** Of its archive as it is stored, in bytes. */
  readonly size: number;
  /** `sha256:<hex>` that its plain tar must have. */
  readonly diffId: string;
  /** Each time from the beginning. Fails at its end where it has not the digest that it was named by. */
  open(): AsyncIterable<Uint8Array>;
}

export interface OfferedImage {
  /** For errors: the name of its configuration. */
  readonly what: string;
  /** The very bytes that its id is the digest of. */
  readonly configBytes: Uint8Array;
  readonly config: ImageConfig;
  /** The lowest first; as many as `config.diffIds`. */
  readonly layers: readonly OfferedLayer[];
  readonly names: readonly Name[];
}

export interface ImageSet {
  readonly form: 'docker' | 'docker v1' | 'oci';
  readonly images: readonly OfferedImage[];
  /** What was passed over, in sentences. */
  readonly notes: readonly string[];
  /** What the user must hear of. */
  readonly warnings: readonly string[];
}

export interface ReadOptions {
  readonly budgets: Budgets;
  /** Of several for different machines, which; undefined: this machine's. */
  readonly platform: Platform | undefined;
  /** Old layouts do not say their layers' digests: bytes that were read to find them out. */
  readonly progress: (name: string, done: number, total: number) => void;
}

/** Of each kind; a real set has a dozen. */
export const MOST_IMAGES = 1000;

export async function readImageSet(members: Members, options: ReadOptions): Promise<ImageSet> {
  const [docker, oci] = [
    members.has('manifest.json'),
    members.has('oci-layout') || members.has('index.json'),
  ];
  // Docker 25 writes both into one archive; only the second can be asked for a platform.
  if (docker && !(oci && options.platform !== undefined)) return readDockerArchive(members, options);
  if (oci) return readOci(members, options);
  const v1 = await readV1(members, options);
  if (v1 !== undefined) return v1;
  throw badArchive(members.file, 'there are no images in it', undefined, {
    means:
      'It has neither a manifest.json (docker save), nor an index.json (OCI), nor folders of images (Docker 1.9).',
    remedy: '`ts-dock import` makes an image of an archive that is the root of a system.',
  });
}
