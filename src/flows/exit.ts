/**
 * The end. Only waiting and recording are steps of their own: what else Docker 1.2.0 did at exit (state.json, cgroups,
 * network, unmounting) are the compensations of launch and start, undone backwards from the journal.
 */
import { wait } from '../steps/5-exit/010-wait.ts';
import { persist } from '../steps/5-exit/020-persist.ts';

export const exitSteps = [wait, persist] as const;
