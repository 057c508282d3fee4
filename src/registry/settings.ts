/** What a user can set about registries: flags, variables, defaults. */
import { DEFAULT_BUDGETS, type Budgets } from '../archive/budgets.ts';
import { TsDockError } from '../engine/failure.ts';
import { parseInsecure, type Insecure } from './insecure.ts';

export interface RegistrySettings {
  /** Milliseconds. */
  readonly connectTimeout: number;
  readonly idleTimeout: number;
  /** How often one request is tried again when a connection breaks or a server is not well. */
  readonly retries: number;
  /** Milliseconds before the first of these; doubled each time. */
  readonly backOff: number;
  /** Milliseconds that a server may make us wait by `Retry-After`. */
  readonly patience: number;
  /** Layers that are fetched at once. */
  readonly parallel: number;
  readonly insecure: readonly Insecure[];
  /** Docker's: `<host:port>/*.crt`, and `*.cert` with `*.key`. */
  readonly certificates: string;
  /** Folder with Docker's `config.json`. */
  readonly dockerConfig: string;
  readonly home: string;
  readonly budgets: Budgets;
}

const SECOND = 1000;

/** @param insecure - as `--insecure-registry` gave them */
export function settingsOf(
  env: Readonly<Record<string, string | undefined>>,
  insecure: readonly string[],
): RegistrySettings {
  const number = (name: string, usual: number, least: number, most: number): number => {
    const text = env[name] ?? '';
    if (text === '') return usual;
    const given = Number(text);
    if (Number.isFinite(given) && given >= least && given <= most && text.trim() === text) return given;
    throw new TsDockError(
      'bad-usage',
      `expected ${name} to be a number from ${least} to ${most}, got ${JSON.stringify(text)}`,
    );
  };
  const home = env['HOME'] ?? '/root';
  const named = (env['TS_DOCK_INSECURE_REGISTRIES'] ?? '').split(/[\s,]+/).filter((each) => each !== '');
  return {
    connectTimeout: number('TS_DOCK_REGISTRY_CONNECT_SECONDS', 15, 0.01, 3600) * SECOND,
    idleTimeout: number('TS_DOCK_REGISTRY_IDLE_SECONDS', 60, 0.01, 3600) * SECOND,
    retries: Math.trunc(number('TS_DOCK_REGISTRY_RETRIES', 5, 0, 100)),
    backOff: number('TS_DOCK_REGISTRY_BACKOFF_SECONDS', 0.5, 0, 600) * SECOND,
    patience: number('TS_DOCK_REGISTRY_PATIENCE_SECONDS', 60, 0, 3600) * SECOND,
    parallel: Math.trunc(number('TS_DOCK_PARALLEL_DOWNLOADS', 3, 1, 32)),
    insecure: [
      ...insecure.map((text) => parseInsecure('--insecure-registry', text)),
      ...named.map((text) => parseInsecure('TS_DOCK_INSECURE_REGISTRIES', text)),
    ],
    certificates: env['TS_DOCK_CERTS_DIR'] ?? '/etc/docker/certs.d',
    dockerConfig: env['DOCKER_CONFIG'] ?? `${home}/.docker`,
    home,
    budgets: DEFAULT_BUDGETS,
  };
}
