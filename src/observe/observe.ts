/** Looking, and telling two looks apart. */
import { cgroups } from './cgroups.ts';
import { files } from './files.ts';
import { firewall } from './firewall.ts';
import { links } from './links.ts';
import { mounts } from './mounts.ts';
import { OBSERVERS, type Change, type Observation, type ObserverName, type Subject } from './names.ts';
import { namespaces } from './namespaces.ts';
import { theirsIn } from './owners.ts';
import { process } from './process.ts';
import { store } from './store.ts';

export interface ObserveOptions {
  /** Values of environment variables are shown. */
  readonly showEnv: boolean;
}

const HIDDEN: ObserveOptions = { showEnv: false };

/** One look. What is not there (yet, or any more) gives no lines; a look never fails a run. */
export function observe(
  observer: ObserverName,
  subject: Subject,
  options: ObserveOptions = HIDDEN,
): Observation {
  const lines = look(observer, subject, options);
  return { observer, lines, theirs: theirsIn(observer, lines, subject) };
}

function look(observer: ObserverName, subject: Subject, options: ObserveOptions): Record<string, string> {
  switch (observer) {
    case 'namespaces':
      return namespaces(subject);
    case 'mounts':
      return mounts(subject);
    case 'cgroups':
      return cgroups(subject);
    case 'links':
      return links(subject);
    case 'firewall':
      return firewall(subject);
    case 'process':
      return process(subject);
    case 'files':
      return files(subject, options.showEnv);
    case 'store':
      return store(subject);
  }
}

/**
 * What the second look shows that the first did not, observer by observer, in the second's order; what is gone comes after
 * it, and last what others did meanwhile.
 */
export function compare(before: readonly Observation[], after: readonly Observation[]): Change[] {
  return OBSERVERS.flatMap((observer) => {
    const old = before.find((look) => look.observer === observer);
    const fresh = after.find((look) => look.observer === observer);
    return old === undefined || fresh === undefined ? [] : differences(old, fresh);
  });
}

function differences(old: Observation, fresh: Observation): Change[] {
  const { observer } = fresh;
  const changes: Change[] = [];
  // Whose a thing is, the later look knows better: by then the run has its container. Of what is gone only the earlier knows.
  const theirs = (look: Observation, key: string): { theirs?: true } =>
    look.theirs?.includes(key) === true ? { theirs: true } : {};
  for (const [key, after] of Object.entries(fresh.lines)) {
    const before = old.lines[key];
    if (before === undefined) changes.push({ observer, key, after, ...theirs(fresh, key) });
    else if (before !== after) changes.push({ observer, key, before, after, ...theirs(fresh, key) });
  }
  for (const [key, before] of Object.entries(old.lines))
    if (!(key in fresh.lines)) changes.push({ observer, key, before, ...theirs(old, key) });
  return [
    ...changes.filter((change) => change.theirs !== true),
    ...changes.filter((change) => change.theirs),
  ];
}
