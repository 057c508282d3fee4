/**
 * What happened to containers and images, without a daemon that could be asked: `R/events.jsonl`, a line per event, appended by
 * whoever did it, in one write each. When it is full it becomes `events.jsonl.1` and a new one begins, so what is kept is
 * bounded. An event is a courtesy: where it cannot be written, what happened has happened all the same.
 */
import { join } from 'node:path';
import { appendLine } from '../kernel/append.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Container } from './model.ts';
import type { Place } from './place.ts';

const IMAGE_ACTIONS = ['pull', 'push', 'load', 'import', 'save', 'tag', 'untag', 'delete'] as const;
export const ACTIONS = [
  ...(['create', 'start', 'die', 'destroy', 'kill', 'stop', 'restart', 'pause', 'unpause'] as const),
  ...(['rename', 'update', 'oom', 'attach', 'detach', 'exec_create', 'exec_start', 'exec_die'] as const),
  ...(['commit', 'copy', 'export'] as const),
  ...IMAGE_ACTIONS,
] as const;
export type Action = (typeof ACTIONS)[number];
export type ImageAction = (typeof IMAGE_ACTIONS)[number];

/** What an event is about: the id is a container's or an image's. */
export const kindOf = (action: Action): 'container' | 'image' =>
  (IMAGE_ACTIONS as readonly string[]).includes(action) ? 'image' : 'container';

/** Whom an event is about; written into it, as the container may be gone when it is read. */
export interface Subject {
  readonly id: string;
  readonly name: string;
  readonly image: string;
}

export interface ContainerEvent extends Subject {
  /** Wall clock, milliseconds since 1970. */
  readonly time: number;
  readonly action: Action;
  /** E.g. `exitCode`, `signal`. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Of each of the two files, in bytes. */
const MOST = 1024 * 1024;
const MOST_VALUE = 1024;

export const eventsFile = (place: Place): string => join(place.root, 'events.jsonl');
export const olderEventsFile = (place: Place): string => `${eventsFile(place)}.1`;

export const subjectOf = ({ ID, Name, Config, Image }: Container): Subject => ({
  id: ID,
  name: Name.slice(1),
  image: Config.Image === '' ? Image : Config.Image,
});

/** Writes an event down. Never fails, and asks the kernel nothing that a step's card would show. */
export function recordEvent(
  place: Place,
  action: Action,
  { id, name, image }: Subject,
  attributes: Readonly<Record<string, string>> = {},
): void {
  // A command line of a megabyte is nobody's event.
  const short = Object.entries(attributes).map(([key, value]) => [key, value.slice(0, MOST_VALUE)] as const);
  const event: ContainerEvent = {
    time: Date.now(),
    action,
    id,
    name,
    image,
    attributes: Object.fromEntries(short),
  };
  try {
    appendLine(eventsFile(place), olderEventsFile(place), JSON.stringify(event), MOST);
  } catch {
    // A full disk must not keep a container from ending.
  }
}

/** The same of an image. @param name - `debian:latest`, or empty: it was reached by its id */
export function recordImageEvent(place: Place, action: ImageAction, id: string, name: string): void {
  recordEvent(place, action, { id, name, image: name === '' ? id : name });
}

/** The events of a file's text; a line that is none is passed over: its writer may be at it. */
export function parseEvents(text: string): ContainerEvent[] {
  return text.split('\n').flatMap((line) => {
    if (line === '') return [];
    try {
      const event = JSON.parse(line) as Partial<ContainerEvent>;
      const { time, action, id, name, image, attributes } = event;
      if (typeof time !== 'number' || typeof id !== 'string' || !ACTIONS.includes(action as Action))
        return [];
      return [
        {
          time,
          action: action as Action,
          id,
          name: typeof name === 'string' ? name : '',
          image: typeof image === 'string' ? image : '',
          attributes: attributes ?? {},
        },
      ];
    } catch {
      return [];
    }
  });
}

/** All that is kept, oldest first. */
export function readEvents(sys: Kernel, place: Place): ContainerEvent[] {
  return [olderEventsFile(place), eventsFile(place)].flatMap((file) =>
    parseEvents(sys.readIfThere(file) ?? ''),
  );
}
