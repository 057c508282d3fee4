/** Packs a tree into a tar archive, in the order of names, through descriptors only: the tree may be changed meanwhile. */
import type { Kernel } from '../kernel/kernel.ts';

export interface PackOptions {
  /** `layer`: whiteouts and opaque marks of overlayfs become `.wh.` names. `plain`: the tree as it is seen (`cp`). */
  readonly manner: 'layer' | 'plain';
  /** Put before every name, e.g. `etc/`; the top itself is then a member of this name. */
  readonly prefix?: string;
  /** Names at the top that are left out. */
  readonly except?: readonly string[];
}

/** @param folder - descriptor of a directory. The same tree gives the same bytes. */
export async function* pack(
  _sys: Kernel,
  _folder: number,
  _options: PackOptions,
): AsyncGenerator<Uint8Array> {
  throw new Error('to come');
}
