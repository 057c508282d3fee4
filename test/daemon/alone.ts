/** What a step is told of its run where a test walks it alone. */
import type { RunFacts } from '../../src/engine/step.ts';

export const ALONE: RunFacts = {
  id: 'test',
  traceparent: '',
  gated: false,
  initSteps: [],
  stdin: 'null',
  supervised: false,
  attached: true,
  self: [],
};
