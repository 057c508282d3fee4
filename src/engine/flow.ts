/**
 * A flow is a readonly tuple of steps, and the compiler reads it: a step whose need nobody gives, or a value that is given
 * twice, does not compile, and the message stands at the line of the step (the proof is a recursive tuple type).
 */
import type { ValueName } from '../flows/values.ts';
import type { AnyStep } from './step.ts';

interface Problem<Text extends string, Name> {
  readonly problem: Text;
  readonly value: Name;
}

type Checked<
  Steps extends readonly AnyStep[],
  Have,
  Done extends readonly unknown[] = [],
> = Steps extends readonly [infer First extends AnyStep, ...infer Rest extends readonly AnyStep[]]
  ? [Exclude<First['needs'][number], Have>] extends [never]
    ? [Extract<First['gives'][number], Have>] extends [never]
      ? Checked<Rest, Have | First['gives'][number], [...Done, First]>
      : [
          ...Done,
          Problem<'an earlier step gives this already', Extract<First['gives'][number], Have>>,
          ...Rest,
        ]
    : [...Done, Problem<'no earlier step gives this', Exclude<First['needs'][number], Have>>, ...Rest]
  : Done;

/** `flow(have)([step, step, …])`: the steps, if each finds what it needs among `have` and what earlier steps gave. */
export function flow<const Have extends readonly ValueName[]>(_have: Have) {
  return <const Steps extends readonly AnyStep[]>(steps: Steps & Checked<Steps, Have[number]>): Steps =>
    steps;
}
