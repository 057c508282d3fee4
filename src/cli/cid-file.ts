/** `--cidfile`: written by create.register, and looked after here, since it belongs to whoever asked for it. */
import { cidFileTaken } from '../daemon/cid-file.ts';
import { isRegistered } from '../daemon/containers.ts';
import type { Outcome } from '../engine/session.ts';
import type { Cli } from './cli.ts';

/** Refuses a file that is there, before anything is made; and takes the file away when the create was undone. */
export async function withCidFile(cli: Cli, path: string, act: () => Promise<Outcome>): Promise<Outcome> {
  if (path === '') return act();
  if (cli.sys.exists(path)) throw cidFileTaken(path);
  const outcome = await act();
  const { identity, ended } = outcome.values;
  // One that ran and went with --rm keeps its file: a script may want to know who it was.
  const undone =
    identity !== undefined && ended === undefined && !isRegistered(cli.sys, cli.place, identity.id);
  if (undone && cli.sys.readIfThere(path) === identity.id) cli.sys.unlink(path);
  return outcome;
}
