/**
 * The names of containers, in `linkgraph.db` with Docker's schema: an entity per container, an edge from the root `0` per
 * name. An exclusive transaction makes a name one container's alone, whoever else asks at the same moment.
 */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import { openRuns } from '../engine/journal.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel, Sql } from '../kernel/kernel.ts';
import { containerIds, isRegistered, listContainers } from './containers.ts';
import type { Place } from './place.ts';
import { shortId } from './store.ts';

const ROOT = '0';
const TABLES = [
  'CREATE TABLE IF NOT EXISTS entity (id text NOT NULL PRIMARY KEY)',
  `CREATE TABLE IF NOT EXISTS edge (entity_id text NOT NULL, parent_id text, name text NOT NULL,
     FOREIGN KEY (entity_id) REFERENCES entity (id), FOREIGN KEY (parent_id) REFERENCES entity (id))`,
  'CREATE UNIQUE INDEX IF NOT EXISTS name_parent_ix ON edge (parent_id, name)',
];

/** `taken`: somebody's. `shadowed`: it is not the name that cannot be had but the id, which begins with another's name. */
export type Reserved =
  { readonly as: 'reserved' } | { readonly as: 'taken'; readonly by: string } | { readonly as: 'shadowed' };

/** Docker's rule, and as in Docker since 1.3 the first letter may not be one that a program takes for an option. */
export function checkName(name: string): void {
  if (!/^\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name) || name.length > 128) {
    throw new TsDockError(
      'bad-config',
      `cannot name a container ${JSON.stringify(name)}: Invalid container name`,
      {
        means: 'A name has at least two letters, digits, _ . or -, and begins with a letter or digit.',
      },
    );
  }
  // Whoever says an id must get that container, whatever others are called (CVE-2014-5278).
  if (/^\/?([0-9a-f]{12}|[0-9a-f]{64})$/.test(name))
    throw looksLikeId(name, 'it looks like the id of a container');
}

function looksLikeId(name: string, why: string): TsDockError {
  return new TsDockError('name-taken', `cannot name a container ${name}: ${why}`, {
    means: 'A name may never stand in for the id of another container.',
    remedy: 'Choose another name.',
  });
}

/** Gives `name` to `id`. `ownRun` is this process's run, whose lock must not be looked at. */
export function reserveName(sys: Kernel, place: Place, name: string, id: string, ownRun: string): Reserved {
  return withGraph(sys, place, (sql) => {
    const holder = holderOf(sql, name);
    if (holder === id) return { as: 'reserved' };
    if (holder !== undefined) {
      if (isRegistered(sys, place, holder) || isBeingCreated(sys, place, holder, ownRun))
        return { as: 'taken', by: holder };
      // 1.2.0 deleted the stale edge and forgot to insert the new one: the new container had no name.
      purge(sql, holder);
    }
    checkShadow(sys, place, name);
    if (
      sql.get(`SELECT name FROM edge WHERE parent_id = ? AND substr(?, 1, length(name)) = name`, ROOT, id) !==
      undefined
    )
      return { as: 'shadowed' };
    insert(sql, id, name);
    return { as: 'reserved' };
  });
}

/** Gives a container a second name; undefined, or who has that name. */
export function addName(sys: Kernel, place: Place, name: string, id: string): string | undefined {
  return withGraph(sys, place, (sql) => {
    const holder = holderOf(sql, name);
    if (holder === id) return undefined;
    if (holder !== undefined) {
      if (isRegistered(sys, place, holder) || isBeingCreated(sys, place, holder, '')) return holder;
      purge(sql, holder);
    }
    checkShadow(sys, place, name);
    insert(sql, id, name);
    return undefined;
  });
}

/** Takes all other names of a container back. */
export function keepOnlyName(sys: Kernel, place: Place, name: string, id: string): void {
  withGraph(sys, place, (sql) => {
    sql.run('DELETE FROM edge WHERE parent_id = ? AND entity_id = ? AND name <> ?', ROOT, id, name);
  });
}

function holderOf(sql: Sql, name: string): string | undefined {
  const row = sql.get('SELECT entity_id FROM edge WHERE parent_id = ? AND name = ?', ROOT, name);
  const holder = row?.['entity_id'];
  return typeof holder === 'string' ? holder : undefined;
}

function checkShadow(sys: Kernel, place: Place, name: string): void {
  const shadowed = containerIds(sys, place).find(
    (other) => /^[0-9a-f]+$/.test(name) && other.startsWith(name),
  );
  if (shadowed !== undefined) throw looksLikeId(name, `the id ${shortId(shadowed)} of a container begins so`);
}

/** Takes the name back, if it is still that container's, and with it the edges that 1.2.0 left as orphans. */
export function releaseName(sys: Kernel, place: Place, name: string, id: string): void {
  release(sys, place, name, id, () => false);
}

/** The same for undo, which knows the name of a container's birth: one that is gone gives back what `rename` made of it too. */
export function releaseNames(sys: Kernel, place: Place, name: string, id: string): void {
  release(sys, place, name, id, () => !isRegistered(sys, place, id));
}

function release(sys: Kernel, place: Place, name: string, id: string, gone: () => boolean): void {
  if (!sys.exists(place.linkgraph)) return;
  withGraph(sys, place, (sql) => {
    const own = name.replace(/^\//, '');
    sql.run('DELETE FROM edge WHERE parent_id = ? AND name = ? AND entity_id = ?', ROOT, own, id);
    const named = sql.get('SELECT name FROM edge WHERE entity_id = ?', id);
    if (named === undefined || gone()) purge(sql, id);
  });
}

function insert(sql: Sql, id: string, name: string): void {
  sql.run('INSERT OR IGNORE INTO entity (id) VALUES (?)', id);
  sql.run('INSERT INTO edge (entity_id, parent_id, name) VALUES (?, ?, ?)', id, ROOT, name);
}

function purge(sql: Sql, id: string): void {
  sql.run('DELETE FROM edge WHERE entity_id = ? OR parent_id = ?', id, id);
  sql.run('DELETE FROM entity WHERE id = ?', id);
}

function withGraph<T>(sys: Kernel, place: Place, act: (sql: Sql) => T): T {
  const within = (): T =>
    sys.transaction(place.linkgraph, (sql) => {
      prepare(sql);
      return act(sql);
    });
  try {
    return within();
  } catch (error) {
    if (!refusedWith(error, 'SQLITE_CORRUPT', 'SQLITE_NOTADB')) throw error;
    rebuild(sys, place);
    return within();
  }
}

function prepare(sql: Sql): void {
  if (sql.get("SELECT name FROM sqlite_master WHERE name = 'name_parent_ix'") !== undefined) return;
  for (const table of TABLES) sql.exec(table);
  sql.run('INSERT OR IGNORE INTO entity (id) VALUES (?)', ROOT);
  sql.run('INSERT INTO edge (entity_id, parent_id, name) VALUES (?, NULL, ?)', ROOT, '/');
}

/** The database is not fsynced: after a power cut it may be torn. All that is in it stands in the containers' files too. */
function rebuild(sys: Kernel, place: Place): void {
  sys.rename(place.linkgraph, `${place.linkgraph}.damaged`);
  sys.transaction(place.linkgraph, (sql) => {
    prepare(sql);
    for (const { container } of listContainers(sys, place))
      insert(sql, container.ID, container.Name.replace(/^\//, ''));
  });
}

/** A name is reserved before there is a container: whose run is still at it keeps the name. */
function isBeingCreated(sys: Kernel, place: Place, id: string, ownRun: string): boolean {
  return openRuns(sys, place.journal).some((run) => {
    // A second look at our own lock would give it up.
    if (run === ownRun) return false;
    const journal = sys.readIfThere(join(place.journal, run, 'journal.jsonl')) ?? '';
    if (!journal.includes(id)) return false;
    const lock = sys.lock(join(place.journal, 'open', run), false);
    if (lock === undefined) return true;
    sys.close(lock);
    return false;
  });
}
