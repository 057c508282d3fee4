/** The flows by the command that walks them, and every step that there is. */
import type { AnyStep } from '../engine/step.ts';
import { createFlow } from './create.ts';
import { execDetachedFlow, execFlow } from './exec.ts';
import { hostFlow } from './host.ts';
import { runFlow, startFlow } from './run.ts';

export const FLOWS: Readonly<Record<string, readonly AnyStep[]>> = {
  run: runFlow,
  create: createFlow,
  start: startFlow,
  exec: execFlow,
  host: hostFlow,
};

/** Each once, in the order of a run, then of an exec. */
export const ALL_STEPS: readonly AnyStep[] = [...new Set([...runFlow, ...execFlow, ...execDetachedFlow])];
