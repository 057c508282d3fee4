/**
 * A step that dockerinit walks: the code is `native/dockerinit/steps/NNN-name.cpp` of the same number and name, this side
 * gives the permission, waits for the report, and takes dockerinit's own clock and calls for the truth.
 */
import { step, type Now, type Step, type StepId, type Then } from '../../engine/step.ts';
import type { Proof, ValueName, Values } from '../../flows/values.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { ObserverName } from '../../observe/names.ts';

interface InitStep<N extends readonly ValueName[], G extends ValueName> {
  readonly id: StepId;
  readonly title: string;
  readonly then: Then;
  readonly now: Now;
  readonly needs: N;
  readonly gives: G;
  readonly observe: readonly ObserverName[];
  /** What the daemon verifies for itself when dockerinit says that the step is done. */
  after?(taken: Readonly<Pick<Values, N[number]>>, sys: Kernel): void | Promise<void>;
}

export function initStep<const N extends readonly ['handshake', ...ValueName[]], const G extends ValueName>(
  definition: InitStep<N, G>,
): Step<N, readonly [G]> {
  const { after, gives, ...rest } = definition;
  return step<N, readonly [G]>({
    ...rest,
    gives: [gives],
    actor: 'dockerinit',
    async run(taken, { sys, report, note }) {
      const { notes, ...left } = await (taken as Pick<Values, 'handshake'>).handshake.left(rest.id);
      report(left);
      for (const [name, value] of Object.entries(notes))
        note(`${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
      await after?.(taken, sys);
      const proof: Proof = { notes };
      return { [gives]: proof } as unknown as Pick<Values, G>;
    },
  });
}
