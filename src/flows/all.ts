/** Every flow that a command walks, by the name that `steps FLOW` knows it by. */
import type { AnyStep } from '../engine/step.ts';
import { createFlow } from './create.ts';
import { hostFlow } from './host.ts';
import { attachedRunFlow, detachedRunFlow, restartFlow, runFlow, startFlow } from './run.ts';

export const FLOWS: Readonly<Record<string, readonly AnyStep[]>> = {
  run: runFlow,
  'run -t': attachedRunFlow,
  'run -d': detachedRunFlow,
  create: createFlow,
  start: startFlow,
  host: hostFlow,
  'restart policy': restartFlow,
};

/** Every step that there is, once. */
export const ALL_STEPS: readonly AnyStep[] = [...new Set(Object.values(FLOWS).flat())];
