/** A root to copy from and to without a container: the same descriptors, the same rules, and no command line. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { copy } from '../../src/daemon/copy.ts';
import type { CopyRequest } from '../../src/flows/values.ts';
import { AT_FDCWD, O } from '../../src/kernel/flags.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { sandboxPrefix } from '../rig/census.ts';

export const sys = new Kernel();
const NEVER = new Promise<void>(() => undefined);

export interface Copying {
  /** Beneath it lie `root`, which is the container's, `here`, and what else the test puts there. */
  readonly folder: string;
  out(inside: string, here: string | null, options?: Partial<CopyRequest>): Promise<Buffer>;
  into(
    here: string | null,
    inside: string,
    options?: Partial<CopyRequest>,
    tar?: Uint8Array,
  ): Promise<Buffer>;
  /** Within `folder`. */
  sh(script: string): string;
}

/** @param script - makes what is needed in `root` and `here`; `$PWD` is their folder */
export function copying(script: string): Copying {
  const folder = mkdtempSync(join(tmpdir(), sandboxPrefix));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'root'));
  mkdirSync(join(folder, 'here'));
  const sh = (text: string): string => execFileSync('sh', ['-ec', text], { cwd: folder, encoding: 'utf8' });
  sh(script);
  const root = sys.openat2(AT_FDCWD, join(folder, 'root'), O.PATH | O.DIRECTORY | O.CLOEXEC, 0, 0);
  onTestFinished(() => sys.close(root));
  const run = async (
    direction: 'in' | 'out',
    inside: string,
    here: string | null,
    options: Partial<CopyRequest> = {},
    tar: Uint8Array = Buffer.alloc(0),
  ): Promise<Buffer> => {
    const parts: Uint8Array[] = [];
    const request: CopyRequest = {
      ...{ what: 'path', direction, inside, here: here === null ? null : `${folder}/here/${here}` },
      ...{ archive: false, followLinks: false, uid: 1234, gid: 1235, ...options },
    };
    const stream = {
      async *read() {
        yield await Promise.resolve(tar);
      },
      write: (bytes: Uint8Array) => void parts.push(bytes),
    };
    await copy(sys, root, 'c', request, stream, NEVER);
    return Buffer.concat(parts);
  };
  return {
    folder,
    sh,
    out: (inside, here, options) => run('out', inside, here, options),
    into: (here, inside, options, tar) => run('in', inside, here, options, tar),
  };
}

/** Exchanges two names in a folder until it is told to stop: between any two calls of whoever uses a path there. */
const SWAP = `
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
sys.stdout.write("on"); sys.stdout.flush()
while True: libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2)
`;

export async function swapping(one: string, other: string): Promise<void> {
  const child = spawn('python3', ['-c', SWAP, one, other], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        child.once('exit', () => resolve());
        child.kill('SIGKILL');
      }),
  );
  await new Promise((resolve) => child.stdout.once('data', resolve));
}
