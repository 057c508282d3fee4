/**
 * Who we are to a registry: Docker's `config.json` and its helpers. What is found is handed to {@link Secret}, which no
 * journal, record or error can look into.
 */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import { KernelError, refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { RegistrySettings } from './settings.ts';
import { readSmall } from './small-file.ts';

/** A user's name and password, or a token that stands for both. */
export class Secret {
  readonly #user: string;
  readonly #password: string;
  readonly #kind: 'password' | 'identity' | 'bearer';

  constructor(user: string, password: string, kind: 'password' | 'identity' | 'bearer') {
    this.#user = user;
    this.#password = password;
    this.#kind = kind;
  }

  get kind(): 'password' | 'identity' | 'bearer' {
    return this.#kind;
  }

  /** For one header or form, and for nothing else. */
  reveal(): { readonly user: string; readonly password: string } {
    return { user: this.#user, password: this.#password };
  }

  /** Value of an Authorization header. */
  basic(): string {
    return `Basic ${Buffer.from(`${this.#user}:${this.#password}`).toString('base64')}`;
  }
}

const MOST_CONFIG = 1024 * 1024;
const HELPER_PATIENCE = 30_000;

type Fields = Readonly<Record<string, unknown>>;

/** @param key - what the registry is called there. Undefined: nobody in particular. @throws TsDockError `bad-config`. */
export function credentialsFor(sys: Kernel, settings: RegistrySettings, key: string): Secret | undefined {
  const path = join(settings.dockerConfig, 'config.json');
  const config = readConfig(sys, path);
  if (config === undefined) return undefined;
  const helpers = object(config['credHelpers']);
  const named = entryOf(helpers, key);
  const helper = typeof named === 'string' ? named : config['credsStore'];
  if (typeof helper === 'string' && helper !== '') return fromHelper(sys, settings, path, helper, key);
  return fromAuths(path, object(entryOf(object(config['auths']), key)), key);
}

function readConfig(sys: Kernel, path: string): Fields | undefined {
  const unreadable = (why: string, cause?: unknown): TsDockError =>
    new TsDockError('bad-config', `cannot read ${path}: ${why}`, {
      means: 'It says with which name and password a registry is asked.',
      remedy: 'Repair it, or name another folder with DOCKER_CONFIG.',
      ...(cause === undefined ? {} : { cause }),
    });
  let text: string;
  try {
    text = readSmall(sys, path, MOST_CONFIG);
  } catch (error) {
    if (refusedWith(error, 'ENOENT', 'ENOTDIR')) return undefined;
    const code = error instanceof KernelError ? error.code : 'EIO';
    throw unreadable(
      new Map([
        ['EFBIG', 'it is larger than 1 MiB'],
        ['EINVAL', 'it is no file'],
      ]).get(code) ?? code,
      error,
    );
  }
  try {
    return object(JSON.parse(text));
  } catch {
    // The parser's message would quote the file.
    throw unreadable('it is not JSON');
  }
}

function object(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** `host`, `https://host` and `https://host/v1/` mean the same registry. */
function entryOf(entries: Fields, key: string): unknown {
  const host = (text: string): string => text.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  if (Object.hasOwn(entries, key)) return entries[key];
  const found = Object.keys(entries).find((name) => host(name) === host(key));
  return found === undefined ? undefined : entries[found];
}

function fromAuths(path: string, entry: Fields, key: string): Secret | undefined {
  const text = (name: string): string => (typeof entry[name] === 'string' ? entry[name] : '');
  if (text('identitytoken') !== '') return new Secret('', text('identitytoken'), 'identity');
  if (text('registrytoken') !== '') return new Secret('', text('registrytoken'), 'bearer');
  if (text('auth') === '')
    return text('username') === '' ? undefined : new Secret(text('username'), text('password'), 'password');
  const plain = Buffer.from(text('auth'), 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = plain.indexOf(':');
  if (colon <= 0)
    throw new TsDockError(
      'bad-config',
      `cannot read ${path}: auths[${JSON.stringify(key)}].auth is not NAME:PASSWORD`,
      {
        means: 'It must be the base64 of a name, a colon and a password.',
        remedy: 'Log in anew with the program that wrote it.',
      },
    );
  return new Secret(plain.slice(0, colon), plain.slice(colon + 1), 'password');
}

function fromHelper(
  sys: Kernel,
  settings: RegistrySettings,
  path: string,
  name: string,
  key: string,
): Secret | undefined {
  const cannot = (why: string, remedy = ''): TsDockError =>
    new TsDockError('bad-config', `cannot ask for the credentials of ${key}: ${why}`, {
      means: `${path} names a helper for them.`,
      remedy,
    });
  // It becomes part of a path.
  if (!/^[a-zA-Z0-9-]+$/.test(name))
    throw cannot(`${JSON.stringify(name.slice(0, 60))} is no name of a helper`);
  const program = sys.findProgram(`docker-credential-${name}`);
  if (program === undefined)
    throw cannot(`there is no docker-credential-${name}`, 'Install it where programs of the system lie.');
  let ran;
  try {
    ran = sys.exec(program, ['get'], key, { env: { HOME: settings.home }, patience: HELPER_PATIENCE });
  } catch (error) {
    throw cannot(
      refusedWith(error, 'ETIMEDOUT') ? `${program} did not answer within 30 s` : `${program} cannot be run`,
    );
  }
  // Of what a helper says nothing is shown: it may be what it should have kept.
  if (ran.status !== 0) {
    if (/credentials not found/i.test(ran.stdout)) return undefined;
    throw cannot(`${program} failed (exit code ${ran.status})`);
  }
  let said: Fields;
  try {
    said = object(JSON.parse(ran.stdout));
  } catch {
    throw cannot(`${program} did not answer with JSON`);
  }
  const { Username, Secret: password } = said;
  if (typeof Username !== 'string' || typeof password !== 'string' || password === '')
    throw cannot(`${program} answered without Username and Secret`);
  return Username === '<token>'
    ? new Secret('', password, 'identity')
    : new Secret(Username, password, 'password');
}
