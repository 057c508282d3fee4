/**
 * The one SQLite database (names and links), opened only for the length of a transaction.
 *
 * Whoever needs no database does not load one. Node 24 and newer has one built in; before that it is libsql, whose own
 * start costs 12 ms, of which 10 go to asking (by a diagnostic report) which libc this is. Its native part alone loads in
 * under 2 ms, so that is looked for first, where npm puts it; what does not look as it should is left to libsql itself.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadAddon } from './addon.ts';

export type SqlValue = string | number | null;
export type SqlRow = Readonly<Record<string, SqlValue>>;

/** What is used of a database. */
export interface Database {
  exec(sql: string): void;
  run(sql: string, values: readonly SqlValue[]): void;
  get(sql: string, values: readonly SqlValue[]): SqlRow | undefined;
  close(): void;
}

type Open = (path: string, timeoutMs: number) => Database;

/** The shape that `node:sqlite` and libsql share. */
interface Driver {
  exec(sql: string): void;
  prepare(sql: string): { run(...values: SqlValue[]): unknown; get(...values: SqlValue[]): unknown };
  close(): void;
}

/** libsql's native part: functions that take their object as `this`. */
interface Native {
  databaseOpen(
    path: string,
    token: string,
    cipher: string,
    key: string,
    timeout: number,
    remoteKey: string,
  ): object;
  databaseExecSync(this: object, sql: string): void;
  databasePrepareSync(this: object, sql: string): object;
  databaseClose(this: object): void;
  statementRun(this: object, values: readonly SqlValue[]): unknown;
  statementGet(this: object, values: readonly SqlValue[]): SqlRow | undefined;
}

const NATIVE = [
  'databaseOpen',
  'databaseExecSync',
  'databasePrepareSync',
  'databaseClose',
  'statementRun',
  'statementGet',
];

let opener: Open | undefined;

export function openDatabase(path: string, timeoutMs: number): Database {
  opener ??= builtIn() ?? nativeOnly() ?? whole();
  return opener(path, timeoutMs);
}

function builtIn(): Open | undefined {
  // 22 has it too, but prints a warning when it is loaded.
  if (Number(process.versions.node.split('.')[0]) < 24) return undefined;
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite') as {
    DatabaseSync: new (path: string, options: object) => Driver;
  };
  return (path, timeout) => driven(new DatabaseSync(path, { timeout }));
}

function nativeOnly(): Open | undefined {
  for (const libc of ['gnu', 'musl']) {
    const path = installed(join('@libsql', `linux-${process.arch}-${libc}`, 'index.node'));
    if (path === undefined) continue;
    try {
      const native = loadAddon(path) as Native;
      const known = native as unknown as Readonly<Record<string, unknown>>;
      if (!NATIVE.every((name) => typeof known[name] === 'function')) return undefined;
      return (path, timeout) => direct(native, native.databaseOpen(path, '', 'aes256cbc', '', timeout, ''));
    } catch {
      // It is for the other libc.
    }
  }
  return undefined;
}

/** Looked for as Node would, but that alone: its own search loads the resolver of ES modules, and takes 2 ms. */
function installed(file: string): string | undefined {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', file);
    if (existsSync(path)) return path;
    if (folder === dirname(folder)) return undefined;
  }
}

function whole(): Open {
  const { createRequire } = process.getBuiltinModule('node:module');
  const Libsql = createRequire(import.meta.filename)('libsql') as new (
    path: string,
    options: object,
  ) => Driver;
  return (path, timeout) => driven(new Libsql(path, { timeout }));
}

/** SQLite's own numbers, where the driver gives only those. */
const CODES: Readonly<Record<number, string>> = {
  5: 'SQLITE_BUSY',
  11: 'SQLITE_CORRUPT',
  26: 'SQLITE_NOTADB',
};

function named<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { errcode } = error as { errcode?: number };
    const code = CODES[(errcode ?? 0) & 0xff];
    throw code === undefined ? error : Object.assign(error as Error, { code });
  }
}

function driven(driver: Driver): Database {
  return {
    exec: (sql) => {
      named(() => {
        driver.exec(sql);
      });
    },
    run: (sql, values) => void named(() => driver.prepare(sql).run(...values)),
    get: (sql, values) => named(() => driver.prepare(sql).get(...values)) as SqlRow | undefined,
    close: () => {
      driver.close();
    },
  };
}

function direct(native: Native, database: object): Database {
  const prepare = (sql: string): object => native.databasePrepareSync.call(database, sql);
  return {
    exec: (sql) => {
      native.databaseExecSync.call(database, sql);
    },
    run: (sql, values) => void native.statementRun.call(prepare(sql), values),
    get: (sql, values) => native.statementGet.call(prepare(sql), values),
    close: () => {
      native.databaseClose.call(database);
    },
  };
}
