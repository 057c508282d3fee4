/** Every flow that a command walks, by the name that `steps FLOW` knows it by. */
import type { AnyStep } from '../engine/step.ts';
import { commitFlow } from './commit.ts';
import { copyFlow } from './cp.ts';
import { createFlow } from './create.ts';
import { execDetachedFlow, execFlow } from './exec.ts';
import { hostFlow } from './host.ts';
import { importFlow, loadFlow } from './load.ts';
import { pullFlow } from './pull.ts';
import { restartFlow } from './restart.ts';
import { attachedRunFlow, attachedStartFlow, detachedRunFlow, policyFlow, runFlow } from './run.ts';
import { stopFlow } from './stop.ts';

export const FLOWS: Readonly<Record<string, readonly AnyStep[]>> = {
  run: runFlow,
  'run-supervised': attachedRunFlow,
  'run-detached': detachedRunFlow,
  create: createFlow,
  start: attachedStartFlow,
  exec: execFlow,
  'exec-detached': execDetachedFlow,
  host: hostFlow,
  stop: stopFlow,
  restart: restartFlow,
  load: loadFlow,
  import: importFlow,
  pull: pullFlow,
  'restart-policy': policyFlow,
  commit: commitFlow,
  cp: copyFlow,
  export: copyFlow,
};

/** Every step that there is, once. Not kept: to find them takes 1 ms, of every start. */
export const allSteps = (): readonly AnyStep[] => [...new Set(Object.values(FLOWS).flat())];
