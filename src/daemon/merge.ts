/** runconfig.Merge: what the user said, and where he said nothing, what the image says. Neither is changed. */
import { TsDockError } from '../engine/failure.ts';
import type { Config } from './model.ts';
import { signalNumber } from './signals.ts';

/** Docker 1.2.0 wrote the result into the user's own Config: what he had asked for was lost. */
export function mergeConfig(user: Config, image: Partial<Config> = {}): Config {
  const { User = '', Memory = 0, MemorySwap = 0, CpuShares = 0, WorkingDir = '' } = image;
  return {
    ...user,
    User: user.User === '' ? User : user.User,
    Memory: user.Memory === 0 ? Memory : user.Memory,
    MemorySwap: user.MemorySwap === 0 ? MemorySwap : user.MemorySwap,
    CpuShares: user.CpuShares === 0 ? CpuShares : user.CpuShares,
    WorkingDir: user.WorkingDir === '' ? WorkingDir : user.WorkingDir,
    StopSignal: user.StopSignal === '' ? stopSignalOf(image) : user.StopSignal,
    Env: mergeEnv(user.Env, image.Env ?? []),
    ExposedPorts: union(user.ExposedPorts, image.ExposedPorts ?? null),
    Volumes: union(user.Volumes, image.Volumes ?? null),
    ...mergeCommand(user, image),
  };
}

/** A word of the image's, so nobody has looked at it yet. */
function stopSignalOf({ StopSignal = '' }: Partial<Config>): string {
  if (StopSignal === '' || (typeof StopSignal === 'string' && signalNumber(StopSignal) !== undefined))
    return StopSignal;
  throw new TsDockError(
    'bad-image',
    `cannot use the image: its stop signal ${JSON.stringify(StopSignal)} is none`,
    { remedy: 'Give another with --stop-signal.' },
  );
}

type Words = readonly string[] | null;

/**
 * An entrypoint of the user's (also the empty one, which says: none) makes the image's command meaningless, as that was
 * written for the image's entrypoint. Without one, the image's entrypoint holds, and its command where the user gave none.
 */
function mergeCommand(
  user: Config,
  image: Partial<Config>,
): { readonly Entrypoint: Words; readonly Cmd: Words } {
  if (user.Entrypoint !== null) return { Entrypoint: user.Entrypoint, Cmd: user.Cmd };
  const said = user.Cmd !== null && user.Cmd.length > 0;
  return { Entrypoint: image.Entrypoint ?? null, Cmd: said ? user.Cmd : (image.Cmd ?? null) };
}

export const nameOf = (entry: string): string => entry.split('=', 1)[0] ?? '';

/** The user's first; then those of the image that he did not set. */
function mergeEnv(user: readonly string[], image: readonly string[]): readonly string[] {
  const set = new Set(user.map(nameOf));
  return [...user, ...image.filter((entry) => !set.has(nameOf(entry)))];
}

type Keys = Readonly<Record<string, Record<string, never>>> | null;

function union(user: Keys, image: Keys): Keys {
  return user === null && image === null ? null : { ...image, ...user };
}

/** Entrypoint and command as one list: what is executed. */
export function commandOf({ Entrypoint, Cmd }: Config): readonly string[] {
  return [...(Entrypoint ?? []), ...(Cmd ?? [])];
}
