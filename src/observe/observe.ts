/** Looking, and telling two looks apart. */
import { cgroups } from './cgroups.ts';
import { files } from './files.ts';
import { links } from './links.ts';
import { mounts } from './mounts.ts';
import { OBSERVERS, type Change, type Observation, type ObserverName, type Subject } from './names.ts';
import { namespaces } from './namespaces.ts';
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
  return { observer, lines: look(observer, subject, options) };
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
    case 'process':
      return process(subject);
    case 'files':
      return files(subject, options.showEnv);
    case 'store':
      return store(subject);
  }
}

/** What the second look shows that the first did not, observer by observer, in the second's order; what is gone comes last. */
export function compare(before: readonly Observation[], after: readonly Observation[]): Change[] {
  return OBSERVERS.flatMap((observer) => {
    const old = before.find((look) => look.observer === observer)?.lines;
    const fresh = after.find((look) => look.observer === observer)?.lines;
    return old === undefined || fresh === undefined ? [] : differences(observer, old, fresh);
  });
}

type Lines = Readonly<Record<string, string>>;

function differences(observer: ObserverName, old: Lines, fresh: Lines): Change[] {
  const changes: Change[] = [];
  for (const [key, after] of Object.entries(fresh)) {
    const before = old[key];
    if (before === undefined) changes.push({ observer, key, after });
    else if (before !== after) changes.push({ observer, key, before, after });
  }
  for (const [key, before] of Object.entries(old))
    if (!(key in fresh)) changes.push({ observer, key, before });
  return changes;
}
