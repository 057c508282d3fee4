/** Walks the flow of `load` in this process, in a root of its own; and a look at a whole store, to compare two of. */
import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_BUDGETS, type Budgets } from '../../src/archive/budgets.ts';
import { placeOf, type Place } from '../../src/daemon/place.ts';
import { prepareRoot } from '../../src/daemon/store.ts';
import { parseFailpoint } from '../../src/engine/failpoints.ts';
import { rootCause, type Reason } from '../../src/engine/failure.ts';
import type { FrontEnd } from '../../src/engine/frontend.ts';
import { Breakpoints } from '../../src/engine/pauses.ts';
import { walkFlow, type Outcome } from '../../src/engine/session.ts';
import type { AnyStep } from '../../src/engine/step.ts';
import { importFlow, loadFlow } from '../../src/flows/load.ts';
import type { Values } from '../../src/flows/values.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { ownPlatform } from '../../src/registry/platform.ts';

export interface Store {
  readonly sys: Kernel;
  readonly place: Place;
  /** Parent of the root, for archives. */
  readonly folder: string;
  dispose(): void;
}

export function makeStore(): Store {
  const folder = mkdtempSync(join(tmpdir(), 'load-'));
  const place = placeOf(join(folder, 'root'));
  const sys = new Kernel();
  prepareRoot(sys, place);
  return {
    sys,
    place,
    folder,
    dispose: () => {
      rmSync(folder, { recursive: true });
    },
  };
}

export interface WalkOptions {
  readonly budgets?: Partial<Budgets>;
  readonly fail?: string;
  readonly frontEnd?: FrontEnd;
  readonly breaks?: readonly string[];
}

const QUIET: FrontEnd = {
  on: () => undefined,
  command: () => Promise.resolve({ command: 'continue' }),
  close: () => undefined,
};

function walk(
  { sys, place }: Store,
  command: string,
  steps: readonly AnyStep[],
  initial: Partial<Values>,
  { budgets, fail, frontEnd = QUIET, breaks = [] }: WalkOptions,
): Promise<Outcome> {
  const ids = steps.map(({ id }) => id);
  return walkFlow({
    sys,
    place,
    command,
    version: 'test',
    steps,
    initial: { ...initial, budgets: { ...DEFAULT_BUDGETS, ...budgets } },
    rm: false,
    stdin: 'null',
    self: [],
    signals: 'passed',
    failpoints: fail === undefined ? [] : [parseFailpoint(fail, ids)],
    breakpoints: new Breakpoints([...breaks], false, ids),
    frontEnd,
    watcher: undefined,
  });
}

export type Input = Uint8Array | { readonly path: string };

function sourceOf(store: Store, input: Input): Values['imageSource'] {
  if (!(input instanceof Uint8Array)) return { file: 'app.tar', path: input.path };
  const path = join(store.folder, 'app.tar');
  writeFileSync(path, input);
  return { file: 'app.tar', path };
}

export const loadInto = (store: Store, input: Input, options: WalkOptions = {}): Promise<Outcome> =>
  walk(store, 'load', loadFlow, { imageSource: sourceOf(store, input), platform: null }, options);

export function importInto(
  store: Store,
  input: Input,
  options: WalkOptions & { readonly changes?: readonly string[]; readonly name?: string } = {},
): Promise<Outcome> {
  const { changes = [], name } = options;
  const importRequest = {
    name: name === undefined ? null : { repository: name, key: 'latest' },
    changes,
    message: '',
    platform: ownPlatform(),
  };
  return walk(store, 'import', importFlow, { imageSource: sourceOf(store, input), importRequest }, options);
}

/** Why it failed; undefined: it did not. */
export const failureOf = ({
  error,
}: Outcome): { readonly reason: Reason; readonly message: string } | undefined =>
  rootCause(error) as { readonly reason: Reason; readonly message: string } | undefined;

/** Every path of a root with all that is known of it, but for what is kept of runs on purpose. */
export function witness(place: Place): string[] {
  const look = (folder: string): string[] =>
    readdirSync(folder)
      .sort()
      .flatMap((name) => {
        const path = join(folder, name);
        const short = path.slice(place.root.length + 1);
        if (/^(journal|events\.jsonl|lock$|network\/leases\.last|linkgraph\.db)/.test(short)) return [];
        const stat = lstatSync(path);
        const content = stat.isSymbolicLink()
          ? readlinkSync(path)
          : stat.isFile()
            ? createHash('sha256').update(readFileSync(path)).digest('hex')
            : '';
        const line = [short, stat.mode.toString(8), stat.uid, stat.gid, stat.rdev, content].join(' | ');
        // A folder that is made when it is first needed.
        if (short === 'work') return look(path);
        return stat.isDirectory() ? [line, ...look(path)] : [line];
      });
  return look(place.root);
}
