/** One spelling for a place in a run, for breakpoints and failpoints alike. */
import { describe, expect, it } from 'vitest';
import { parseFailpoint } from '../../src/engine/failpoints.ts';
import { TsDockError } from '../../src/engine/failure.ts';
import { parsePattern } from '../../src/engine/patterns.ts';
import { Breakpoints } from '../../src/engine/pauses.ts';
import type { StepId } from '../../src/engine/step.ts';

const IDS: readonly StepId[] = [
  'start.dns',
  'start.mount-rootfs',
  'launch.clone',
  'init.pivot',
  'init.mount-private',
];

function refusal(act: () => unknown): TsDockError {
  try {
    act();
  } catch (error) {
    if (error instanceof TsDockError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('a pattern', () => {
  it.each([
    ['launch.clone', 'before', ['launch.clone']],
    ['launch.clone:before', 'before', ['launch.clone']],
    ['launch.clone:after', 'after', ['launch.clone']],
    ['start.*', 'before', ['start.dns', 'start.mount-rootfs']],
    ['*.mount-*:after', 'after', ['start.mount-rootfs', 'init.mount-private']],
  ])('%s is %s of %j', (text, when, matched) => {
    const pattern = parsePattern(text, IDS);
    expect(pattern.when).toBe(when);
    expect(IDS.filter(pattern.matches)).toEqual(matched);
  });

  it.each([
    ['init.pivto', 'init.pivot'],
    ['pivot', 'init.pivot'],
    ['launch.clne:after', 'launch.clone'],
    ['mount-rotfs', 'start.mount-rootfs'],
  ])('%s is refused, and %s offered', (text, near) => {
    const error = refusal(() => parsePattern(text, IDS));
    expect(error.reason).toBe('no-such-step');
    expect(error.remedy).toContain(near);
  });

  it.each(['', ':after', 'start', 'start.', 'startXdns', 'init.pivot:during'])('%j is refused', (text) => {
    expect(refusal(() => parsePattern(text, IDS)).reason).toBe('no-such-step');
  });
});

describe('a failpoint', () => {
  it.each([
    ['launch.clone=error', 'before', { do: 'error' }],
    ['launch.clone:after=kill', 'after', { do: 'kill' }],
    ['start.*=delay(250)', 'before', { do: 'delay', ms: 250 }],
  ])('%s', (text, when, action) => {
    const failpoint = parseFailpoint(text, IDS);
    expect(failpoint.pattern.when).toBe(when);
    expect(failpoint.action).toEqual(action);
  });

  it.each([
    'launch.clone',
    'launch.clone=',
    'launch.clone=explode',
    'launch.clone=delay',
    'launch.clone=delay(-1)',
  ])('%s is refused', (text) => {
    expect(refusal(() => parseFailpoint(text, IDS)).reason).toBe('bad-usage');
  });
});

describe('breakpoints', () => {
  it('with --step stop before every step', () => {
    const points = new Breakpoints([], true, IDS);
    expect(IDS.map((id) => points.stopsAt(id, 'before'))).toEqual(IDS.map(() => true));
    expect(points.stopsAt('start.dns', 'after')).toBe(false);
  });

  it('with --step and --break make that the first stop, and step from there', () => {
    const points = new Breakpoints(['launch.clone'], true, IDS);
    expect(points.stopsAt('start.dns', 'before')).toBe(false);
    expect(points.stopsAt('launch.clone', 'before')).toBe(true);
    points.goOn(true);
    expect(points.stopsAt('init.pivot', 'before')).toBe(true);
    points.goOn(false);
    expect(points.stopsAt('init.pivot', 'before')).toBe(false);
  });
});
