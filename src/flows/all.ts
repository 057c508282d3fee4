/** Every flow that a command walks, by the name that `steps FLOW` knows it by. */
import type { AnyStep } from '../engine/step.ts';
import { createFlow } from './create.ts';
import { hostFlow } from './host.ts';
import { runFlow, startFlow } from './run.ts';
import { stopFlow } from './stop.ts';

export const FLOWS: Readonly<Record<string, readonly AnyStep[]>> = {
  run: runFlow,
  create: createFlow,
  start: startFlow,
  host: hostFlow,
  stop: stopFlow,
};

/** Every step that there is, once. */
export const ALL_STEPS: readonly AnyStep[] = [...new Set(Object.values(FLOWS).flat())];
