/**
 * What a line of a recording must look like. Whoever made the file may have meant harm, so everything that is drawn or
 * reckoned with is checked here, once: kinds, numbers, sizes. Texts that come from a container are escaped where they are
 * drawn, as in a live run; names that only ts-dock itself gives must be plain, since nothing escapes those.
 */
import type { Compensation } from '../engine/compensation.ts';
import { STAGES } from '../engine/step.ts';
import { OBSERVERS } from '../observe/names.ts';
import type { Line } from './format.ts';

type Shape = (value: unknown) => boolean;

const text: Shape = (value) => typeof value === 'string';
const flag: Shape = (value) => typeof value === 'boolean';
const number: Shape = (value) => typeof value === 'number';
const count: Shape = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
/** JSON is of no harm by itself: it is drawn by `flatten`, which knows where to stop. */
const json: Shape = () => true;

/** Neither control characters nor marks that turn the writing direction, and short. */
const plain: Shape = (value) =>
  typeof value === 'string' && value.length <= 1000 && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(value);
const matching =
  (pattern: RegExp): Shape =>
  (value) =>
    typeof value === 'string' && value.length <= 100 && pattern.test(value);
const oneOf =
  (...choices: readonly string[]): Shape =>
  (value) =>
    choices.includes(value as string);
const either =
  (...shapes: readonly Shape[]): Shape =>
  (value) =>
    shapes.some((shape) => shape(value));

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const list =
  (shape: Shape, most = 100_000): Shape =>
  (value) =>
    Array.isArray(value) && value.length <= most && value.every(shape);
const dictionary =
  (shape: Shape): Shape =>
  (value) =>
    isObject(value) && Object.values(value).every(shape);
/** Has these members; what else there is, is not looked at. */
const object =
  (members: Readonly<Record<string, Shape>>, maybe: Readonly<Record<string, Shape>> = {}): Shape =>
  (value) =>
    isObject(value) &&
    Object.entries(members).every(([name, shape]) => Object.hasOwn(value, name) && shape(value[name])) &&
    Object.entries(maybe).every(([name, shape]) => !Object.hasOwn(value, name) || shape(value[name]));

const stepId = matching(/^[a-z][a-z0-9-]*\.[a-z0-9-]+$/);
/** A recording of a newer ts-dock may have stages that this one has no card for; a name that every object has is none. */
const stage: Shape = (value) =>
  (STAGES as readonly unknown[]).includes(value) ||
  (matching(/^[a-z][a-z0-9-]*$/)(value) && !((value as string) in {}));
const observer = oneOf(...OBSERVERS);

const stepInfo = object({
  id: stepId,
  stage,
  title: plain,
  actor: oneOf('daemon', 'dockerinit'),
  then: plain,
  now: plain,
  needs: list(plain, 1000),
  gives: list(plain, 1000),
  observe: list(observer, OBSERVERS.length),
});

const call = object({ call: text, args: list(text), result: text, errno: text, at: number, ns: number });
const change = object({ observer, key: text }, { before: text, after: text });
const error = object({ reason: plain, step: plain, message: text, means: text, remedy: text });
const lines = dictionary(text);
const delta = either(object({ whole: lines }), object({ set: lines, gone: list(text) }));

const compensations: { readonly [Kind in Compensation['kind']]: Readonly<Record<string, Shape>> } = {
  unmount: { path: text, fstype: text, source: text },
  'delete-link': { name: text, alias: text, master: text },
  'delete-rule': { table: text, chain: text, rule: list(text) },
  'delete-chain': { table: text, chain: text },
  'remove-cgroup': { parent: text, name: text },
  'remove-cgroup-parent': { parent: text },
  'remove-tree': { path: text },
  'remove-file': { path: text },
  'release-lease': { path: text, content: text },
  'release-name': { name: text, id: text },
  'drop-image': { id: text, layers: list(text) },
  'restore-tag': { repository: text, tag: text, ours: text, old: text },
  'restore-file': { file: text, ours: text, old: text },
  'kill-process': { pid: count, startTime: text },
  thaw: { container: text },
  'settle-state': { container: text },
  'user-data': { what: text },
};
const compensation: Shape = (value) => {
  const kind = isObject(value) ? value['kind'] : undefined;
  return (
    typeof kind === 'string' &&
    Object.hasOwn(compensations, kind) &&
    object(compensations[kind as Compensation['kind']])(value)
  );
};

const place = { step: stepId, number: count, of: count };
const times = { start: number, end: number };

const shapes: { readonly [Kind in Line['k']]: Shape } = {
  recording: object({
    version: plain,
    kernel: plain,
    when: matching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    words: list(text),
    showEnv: flag,
    output: list(oneOf('stdout', 'stderr'), 2),
    steps: (value) => list(stepInfo, 1000)(value) && (value as readonly unknown[]).length > 0,
    initial: dictionary(json),
    known: dictionary(plain),
  }),
  begin: object({ run: plain, traceId: plain }),
  'step-begin': object(place),
  planned: object({ step: stepId, drawn: json, undo: list(compensation) }),
  'step-end': object({
    ...place,
    ...times,
    calls: list(call),
    more: count,
    notes: list(text),
    given: dictionary(json),
    changes: list(change),
  }),
  'step-failed': object({ step: stepId, error, calls: list(call), ...times }),
  warning: object({ text }),
  'undo-begin': object({ why: oneOf('failure', 'exit', 'over', 'quit', 'recover', 'rm'), count }),
  undone: object({
    undone: object({ step: stepId, compensation, ok: flag, error: text, ns: number }),
  }),
  'undo-end': object({}),
  end: object({ exitCode: count }),
  look: object({
    number: count,
    when: oneOf('before', 'after', 'end'),
    looks: (value) => dictionary(delta)(value) && Object.keys(value as object).every(observer),
  }),
  output: object({ stream: oneOf('stdout', 'stderr'), text, cut: flag }),
  error: object({ error }),
  closed: object({}),
};

/** The line, or undefined for what no recording has. */
export function lineIn(value: unknown): Line | undefined {
  const kind = isObject(value) ? value['k'] : undefined;
  if (typeof kind !== 'string' || !Object.hasOwn(shapes, kind)) return undefined;
  return shapes[kind as Line['k']](value) ? (value as Line) : undefined;
}
