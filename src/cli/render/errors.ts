/** An error as a learner reads it: what could not be done and why, in which step, what it means, what to do. */
import type { ErrorText } from '../../engine/frontend.ts';
import { errorText } from '../../engine/run.ts';
import { rootCause, StepError } from '../../engine/failure.ts';
import { hintFor } from './hints.ts';
import type { Style } from './style.ts';
import { labelled, shown } from './text.ts';

const PROGRAM = 'ts-dock: ';

/** In words, the kernel's refusals explained. */
export function wordedError(error: unknown): ErrorText {
  const cause = rootCause(error);
  const text = errorText(error instanceof StepError ? error.step : '', cause);
  const hint = hintFor(cause);
  return {
    ...text,
    means: text.means === '' ? hint.means : text.means,
    remedy: text.remedy === '' ? hint.remedy : text.remedy,
  };
}

export function renderError(error: unknown, style: Style): string {
  return renderErrorText(wordedError(error), style);
}

export function renderErrorText({ message, means, remedy, reason, step }: ErrorText, style: Style): string {
  const { paint, width } = style;
  const below = (label: string, text: string, colour: (text: string) => string): string[] =>
    labelled(label, text, 2, label === '' ? 0 : label.length + 1, width).map((line) => colour(line));
  const [first = '', ...rest] = message.split('\n');
  return [
    paint.red.bold(PROGRAM) + shown(first),
    // Only a bug has more lines: where in our own code it happened.
    ...(reason === 'bug'
      ? rest.map((line) => paint.dim(`  ${shown(line.trim())}`))
      : below('', shown(rest.join(' ')), String)),
    ...below('in step', step, paint.dim),
    ...below('', shown(means), String),
    ...below('→', shown(remedy), paint.cyan),
  ].join('\n');
}
