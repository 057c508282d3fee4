/** Signals to a container from another process than its supervisor. */
import { TsDockError } from '../engine/failure.ts';
import { refusedWith } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { changeContainer, findContainer } from './containers.ts';
import { recordEvent, subjectOf } from './events.ts';
import { thaw } from './freezer.ts';
import type { Container } from './model.ts';
import { openRuns, readStory } from '../engine/journal.ts';
import type { Place } from './place.ts';
import { holdProcess, signalProcess } from './processes.ts';
import { SIGKILL, signalName, stopSignalOf } from './signals.ts';
import { requestStop, supervisedBy, teardownOver, type Phase } from './supervision.ts';

/** Thaws a paused container, in the kernel and on disk; gives whether it was paused. */
export function resume(sys: Kernel, place: Place, id: string): boolean {
  const was = thaw(sys, place.cgroupParent, id);
  changeContainer(sys, place, id, (container) =>
    container.State.Paused ? { ...container, State: { ...container.State, Paused: false } } : container,
  );
  return was;
}

/**
 * Sends a signal to process 1. SIGKILL and the container's own stop signal are wishes for its end: they are written down,
 * and a paused container is thawed for them. After SIGKILL, the end of the teardown is waited for.
 */
export async function killContainer(
  sys: Kernel,
  place: Place,
  wanted: string,
  signal: number,
  say: (text: string) => void,
): Promise<void> {
  const { container } = findContainer(sys, place, wanted);
  const { run, phase } = supervisedBy(sys, place, container);
  const final = signal === SIGKILL || signal === stopSignalOf(container.Config);
  let held = phase === 'running' ? holdProcess(sys, place, container.ID) : undefined;
  // Between two lives of a restart policy there is nobody to be signalled, but the wish can be heard.
  if (held === undefined && !(phase === 'restarting' && final)) throw notRunning('kill', wanted, phase);
  try {
    if (final) requestStop(sys, place, container.ID);
    // Whoever starts it again has seen the wish, or has got so far that there is a process.
    held ??= holdProcess(sys, place, container.ID);
    if (held !== undefined && signalProcess(sys, held.pidfd, signal))
      recordEvent(place, 'kill', subjectOf(container), { signal: signalName(signal) });
    if (final && resume(sys, place, container.ID) && signal !== SIGKILL)
      say(`${wanted} was paused: it goes on, so that it can end`);
    else if (container.State.Paused && !final) say(`${wanted} is paused: the signal waits until it goes on`);
  } finally {
    if (held !== undefined) sys.close(held.pidfd);
  }
  if (signal === SIGKILL) await teardownOver(sys, place, run);
}

/** Brings a container to its end if some run has it, and waits until that run has taken it down (`rm -f`). */
export async function endContainer(sys: Kernel, place: Place, container: Container): Promise<void> {
  const { run, phase } = supervisedBy(sys, place, container);
  if (phase === 'idle') {
    // With --rm, a run gives the container back before it removes it.
    const ending = removerOf(sys, place, container.ID);
    if (ending !== undefined) await teardownOver(sys, place, ending);
    return;
  }
  if (phase === 'starting') throw notRunning('end', container.Name.slice(1), phase);
  if (phase !== 'ending') endProcess(sys, place, container);
  await teardownOver(sys, place, run);
}

function removerOf(sys: Kernel, place: Place, id: string): string | undefined {
  return openRuns(sys, place.journal).find((run) => {
    const { container, begin, entries } = readStory(sys, place.journal, run);
    return container === id && begin?.rm === true && entries.some(({ k }) => k === 'undone');
  });
}

/** It may have ended a moment ago, with nobody having written that down yet: then only its teardown is to be waited for. */
function endProcess(sys: Kernel, place: Place, container: Container): void {
  const { ID } = container;
  try {
    requestStop(sys, place, ID);
  } catch (error) {
    // Who removes it may do so because the disk is full.
    if (!refusedWith(error, 'ENOSPC', 'EDQUOT')) throw error;
  }
  const held = holdProcess(sys, place, ID);
  try {
    if (held !== undefined && signalProcess(sys, held.pidfd, SIGKILL))
      recordEvent(place, 'kill', subjectOf(container), { signal: signalName(SIGKILL) });
    thaw(sys, place.cgroupParent, ID);
  } finally {
    if (held !== undefined) sys.close(held.pidfd);
  }
}

export function notRunning(verb: string, wanted: string, phase: Phase): TsDockError {
  return phase === 'starting' || phase === 'restarting'
    ? new TsDockError('not-running', `cannot ${verb} ${wanted}: it is being started`, {
        means: 'Some ts-dock is preparing it, and its program does not run yet.',
        remedy: 'Try again when it runs, or end the ts-dock that starts it.',
      })
    : new TsDockError('not-running', `cannot ${verb} ${wanted}: it is not running`, {
        remedy: '`ts-dock ps` shows what runs.',
      });
}
