/**
 * Failpoints: `--fail STEP[:before|:after]=error|kill|delay(MS)`. They stand at the same places as breakpoints, so that a
 * test can break a run wherever a learner can stop it. `kill` is a real SIGKILL of ts-dock: nothing here gets to tidy up.
 */
import { TsDockError } from './failure.ts';
import { parsePattern, type Pattern, type When } from './patterns.ts';
import type { StepId } from './step.ts';

export type Action =
  { readonly do: 'error' } | { readonly do: 'kill' } | { readonly do: 'delay'; readonly ms: number };

export interface Failpoint {
  readonly pattern: Pattern;
  readonly action: Action;
}

export function parseFailpoint(text: string, ids: readonly StepId[]): Failpoint {
  const cut = text.lastIndexOf('=');
  const [, verb, ms] = /^(error|kill|delay\((\d{1,6})\))$/.exec(cut < 0 ? '' : text.slice(cut + 1)) ?? [];
  if (verb === undefined) {
    throw new TsDockError(
      'bad-usage',
      `expected --fail to be STEP[:before|:after]=error|kill|delay(MS), got ${JSON.stringify(text)}`,
    );
  }
  const action: Action =
    ms !== undefined ? { do: 'delay', ms: Number(ms) } : { do: verb === 'kill' ? 'kill' : 'error' };
  return { pattern: parsePattern(text.slice(0, cut), ids), action };
}

/** Acts on the failpoints of this place. */
export async function reach(failpoints: readonly Failpoint[], step: StepId, when: When): Promise<void> {
  for (const { pattern, action } of failpoints) {
    if (pattern.when !== when || !pattern.matches(step)) continue;
    if (action.do === 'kill') process.kill(process.pid, 'SIGKILL');
    if (action.do === 'error')
      throw new TsDockError('injected', `a failpoint says that ${step} fails ${when} it acts`);
    if (action.do === 'delay') await new Promise((resolve) => setTimeout(resolve, action.ms));
  }
}
