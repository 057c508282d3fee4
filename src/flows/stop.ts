/** From a container that runs to one that has ended, by another process than its supervisor. */
import { flow } from '../engine/flow.ts';
import { getContainer } from '../steps/7-stop/010-get-container.ts';
import { request } from '../steps/7-stop/020-request.ts';
import { thaw } from '../steps/7-stop/030-thaw.ts';
import { signal } from '../steps/7-stop/040-signal.ts';
import { wait } from '../steps/7-stop/050-wait.ts';
import { kill } from '../steps/7-stop/060-kill.ts';
import { teardown } from '../steps/7-stop/070-teardown.ts';

export const stopSteps = [getContainer, request, thaw, signal, wait, kill, teardown] as const;

/** `ts-dock stop` */
export const stopFlow = flow(['wanted', 'patience'])([...stopSteps]);
