/**
 * What can go wrong, as one closed list of reasons. An error of this kind is worded for a learner: what could not be
 * done and why (the message), what it means, what to do. Anything else that is thrown is a bug, or the kernel's refusal
 * (KernelError), which the engine puts its step to.
 */

export type Reason =
  | 'bad-usage' // the command line is wrong
  | 'not-root'
  | 'not-linux'
  | 'missing-feature' // this kernel or host lacks something that was asked for
  | 'no-such-image'
  | 'no-such-container'
  | 'ambiguous-reference'
  | 'name-taken'
  | 'too-many-layers'
  | 'no-command'
  | 'bad-image' // an image or a store file that is not what it must be
  | 'bad-config'
  | 'already-running'
  | 'still-running'
  | 'not-running'
  | 'paused'
  | 'missing-source' // a bind mount's source is not there
  | 'network'
  | 'limit' // a limit cannot be set as asked
  | 'init-failed' // dockerinit reported that a step failed
  | 'init-died' // dockerinit ended without a word
  | 'handshake' // dockerinit said what it may not say now, or nothing for too long
  | 'not-executable'
  | 'not-found'
  | 'injected' // a failpoint
  | 'interrupted'
  | 'quit'
  | 'detached' // the person left, and the container goes on
  | 'newer-format' // the root was written by a newer ts-dock
  | 'no-such-step'
  | 'no-such-run'
  | 'bad-recording' // not a recording, of another format, or edited
  | 'bad-archive' // an archive that is damaged, not what it must be, or over a budget
  | 'breakout' // an archive, or a path in a container, that leads out of its folder
  | 'copy' // what is to be copied does not fit where it is to go
  | 'image-in-use'
  | 'registry' // a registry refused, answered wrongly, or not at all
  | 'unauthorized'; // a registry wants other credentials

/**
 * One table of exit codes: Docker's. A command line that is wrong is 125 too, as with `docker run`. `cut`: a recording was
 * shown as far as it is whole.
 */
export const EXIT = {
  ok: 0,
  failed: 1,
  cut: 3,
  usage: 125,
  tsdock: 125,
  notExecutable: 126,
  notFound: 127,
} as const;

const EXIT_OF: Partial<Record<Reason, number>> = {
  'not-executable': EXIT.notExecutable,
  'not-found': EXIT.notFound,
};

export interface Wording {
  /** What it means, a sentence. */
  readonly means?: string;
  /** What to do, a sentence. */
  readonly remedy?: string;
  readonly cause?: unknown;
}

export class TsDockError extends Error {
  override readonly name = 'TsDockError';
  readonly reason: Reason;
  readonly means: string;
  readonly remedy: string;

  constructor(reason: Reason, message: string, wording: Wording = {}) {
    super(message, wording.cause === undefined ? {} : { cause: wording.cause });
    this.reason = reason;
    this.means = wording.means ?? '';
    this.remedy = wording.remedy ?? '';
  }

  get exitCode(): number {
    return EXIT_OF[this.reason] ?? EXIT.tsdock;
  }
}

/** A step did not succeed; `cause` is a TsDockError, a KernelError, or a bug. */
export class StepError extends Error {
  override readonly name = 'StepError';
  readonly step: string;
  /** What could not be undone afterwards: it never hides the first failure. */
  readonly undoFailures: string[] = [];

  constructor(step: string, cause: unknown) {
    super(`${step}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.step = step;
  }
}

/** The error at the bottom: what really happened, without the engine's wrapping. */
export function rootCause(error: unknown): unknown {
  return error instanceof StepError ? rootCause(error.cause) : error;
}
