/** The environment of the container's program (Docker 1.2.0: createDaemonEnvironment, utils.ReplaceOrAppendEnvValues). */
import type { Config } from './model.ts';

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Defaults first; what the user or the image says takes the place of the same name, new names follow in their order. */
export function programEnvironment(config: Config, traceparent: string): string[] {
  const variables = new Map<string, string>([
    ['PATH', DEFAULT_PATH],
    ['HOSTNAME', config.Hostname],
    ...(config.Tty ? ([['TERM', 'xterm']] as const) : []),
    // So that what the program traces belongs to the same trace; a TRACEPARENT of the user's own wins below.
    ['TRACEPARENT', traceparent],
  ]);
  for (const entry of config.Env) {
    const cut = entry.indexOf('=');
    variables.set(entry.slice(0, cut), entry.slice(cut + 1));
  }
  return [...variables].map(([name, value]) => `${name}=${value}`);
}
