/** The person's terminal, ready to be joined to one in a container; and what becomes of that when the person leaves. */
import { holdTerminal } from '../../daemon/holder.ts';
import type { TerminalJoiner } from '../../flows/values.ts';
import type { Cli } from '../cli.ts';
import { PtyEnd } from './console-end.ts';
import { relay } from './relay.ts';

export function joinerFor(
  cli: Cli,
  { interactive, detachKeys }: { readonly interactive: boolean; readonly detachKeys: Uint8Array },
): TerminalJoiner {
  const { sys } = cli;
  const terminal = interactive ? 0 : process.stdout.isTTY ? 1 : undefined;
  return {
    size: () => (terminal === undefined ? undefined : sys.windowSize(terminal)),
    join: async (master, ended) => {
      const end = new PtyEnd(sys, master);
      const over = (): void => {
        end.finish();
      };
      void ended.then(over, over);
      try {
        const how = await relay(sys, end, {
          input: interactive ? process.stdin : undefined,
          output: cli.guarded(process.stdout),
          terminal,
          detachKeys,
        });
        if (how === 'detached') await holdTerminal(sys, cli.place, master);
        return how;
      } finally {
        end.close();
      }
    },
  };
}
