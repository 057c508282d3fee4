/** The flows of whole commands, each checked by the compiler from its first value to its last. */
import { flow } from '../engine/flow.ts';
import { createSteps } from './create.ts';
import { exitSteps } from './exit.ts';
import { hostSteps } from './host.ts';
import { launchSteps, supervisedLaunchSteps } from './launch.ts';
import { startSteps } from './start.ts';
import { backOff } from '../steps/2-start/005-back-off.ts';

/** What stands in for a monitor where ts-dock itself is the container's parent. */
export const UNSUPERVISED = { monitor: null, attachment: null } as const;

/** `ts-dock run --rm`: the container goes with the command, and nobody else needs to be there. */
export const runFlow = flow(['request', 'monitor', 'attachment'])([
  ...hostSteps,
  ...createSteps,
  ...startSteps,
  ...launchSteps,
  ...exitSteps,
]);

/** `ts-dock run`: until its end, or until the person leaves. */
export const attachedRunFlow = flow(['request'])([
  ...hostSteps,
  ...createSteps,
  ...startSteps,
  ...supervisedLaunchSteps,
  ...exitSteps,
]);

/** `ts-dock run -d`: until the program runs. The rest is {@link concludeFlow}, when it has ended. */
export const detachedRunFlow = flow(['request'])([
  ...hostSteps,
  ...createSteps,
  ...startSteps,
  ...supervisedLaunchSteps,
]);

/** `ts-dock start -a --record`: its streams are ours. */
export const startFlow = flow(['wanted', 'monitor', 'attachment'])([
  ...hostSteps,
  ...startSteps,
  ...launchSteps,
  ...exitSteps,
]);

/** `ts-dock start -a` */
export const attachedStartFlow = flow(['wanted'])([
  ...hostSteps,
  ...startSteps,
  ...supervisedLaunchSteps,
  ...exitSteps,
]);

/** `ts-dock start` */
export const detachedStartFlow = flow(['wanted'])([...hostSteps, ...startSteps, ...supervisedLaunchSteps]);

/** What a restart policy does, in the process that has just seen the end. */
export const policyFlow = flow(['wanted', 'attempt'])([
  ...hostSteps,
  backOff,
  ...startSteps,
  ...supervisedLaunchSteps,
]);

/** The end of a container that ts-dock had left: walked by its monitor, which has become a ts-dock. */
export const concludeFlow = flow(['ending', 'running', 'subject', 'cgroupPaths'])([...exitSteps]);
