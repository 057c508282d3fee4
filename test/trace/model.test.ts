/** From journals that no run would leave in a test: killed, recovered in another boot, quit, undone twice. */
import { describe, expect, it } from 'vitest';
import { tell } from '../../src/engine/journal.ts';
import { drawTrace } from '../../src/engine/session.ts';
import { collectorOf } from '../../src/trace/collector.ts';
import { jaegerJson } from '../../src/trace/jaeger-json.ts';
import { traceOf, type Span, type Trace } from '../../src/trace/model.ts';
import { otlpJson } from '../../src/trace/otlp-json.ts';
import { waitsOf } from '../../src/trace/waits.ts';
import { expectWhole, fromJaeger, fromOtlp, inMicroseconds, type OtlpRequest } from './forms.ts';

const WALL = 1_800_000_000_000;
const EPOCH = BigInt(WALL) * 1_000_000n;
const ms = (n: number): number => n * 1_000_000;
const trace = {
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
  parent: '',
  sampled: true,
  processSpanId: 'c'.repeat(16),
};
const begin = {
  k: 'begin',
  run: '20270115-0',
  command: 'run',
  wall: WALL,
  at: ms(1000),
  boot: 'one',
  pid: 42,
  trace,
  rm: true,
  version: '1',
};
const kill = { lifetime: 'transient', kind: 'kill-process', pid: 7, startTime: '1' };
const name = { lifetime: 'with-container', kind: 'release-name', name: 'web', id: 'd'.repeat(64) };
const plan = (n: number, step: string, at: number, undo: unknown[] = []): unknown => ({
  k: 'plan',
  n,
  step,
  at: ms(at),
  drawn: { secret: 'hunter2' },
  undo,
});
const done = (n: number, step: string, at: number, end: number): unknown => ({
  k: 'done',
  n,
  step,
  at: ms(at),
  end: ms(end),
  calls: 2,
  kernel: 100,
});
const undone = (i: number, at: number, end: number, error = ''): unknown => ({
  k: 'undone',
  i,
  at: ms(at),
  end: ms(end),
  ok: error === '',
  error,
});
const end = (at: number, code = 0): unknown => ({ k: 'end', at: ms(at), code });

function told(...entries: readonly unknown[]): Trace {
  return traceOf(tell('20270115-0', [begin, ...entries].map((e) => JSON.stringify(e)).join('\n')))!;
}

/** Both files are whole and say the same, whatever the journal says. */
function checked(one: Trace): readonly Span[] {
  const otlp = fromOtlp(JSON.parse(JSON.stringify(otlpJson(one))) as OtlpRequest);
  expectWhole(otlp, one.ids.parent);
  expect(fromJaeger(JSON.stringify(jaegerJson(one)))).toEqual(inMicroseconds(otlp));
  return one.spans;
}
const named = (one: Trace, wanted: string): Span => one.spans.find((span) => span.name === wanted)!;
const since = (time: bigint): number => Number(time - EPOCH) / 1e6;

describe('the spans of a journal', () => {
  it('have the wall clock of the one pairing, and the same ids each time', () => {
    const entries = [plan(1, 'host.bridge', 1001), done(1, 'host.bridge', 1002, 1003.5), end(1005)];
    const [one, two] = [told(...entries), told(...entries)];
    checked(one);
    expect(two).toEqual(one);
    expect(named(one, 'docker run')).toMatchObject({ start: EPOCH, end: EPOCH + 5_000_000n });
    expect(named(one, 'host.bridge')).toMatchObject({
      start: EPOCH + 2_000_000n,
      end: EPOCH + 3_500_000n,
      attributes: { 'tsdock.kernel.calls': 2, 'tsdock.kernel.time_ns': 100 },
    });
    expect(JSON.stringify(otlpJson(one))).not.toContain('hunter2');
  });

  it("fit into each other although dockerinit began before the daemon's clone was over", () => {
    const one = told(
      plan(1, 'launch.clone', 1001),
      done(1, 'launch.clone', 1001, 1005),
      plan(2, 'init.read-args', 1006),
      done(2, 'init.read-args', 1000.5, 1004),
      { k: 'frame', way: 'from-init', t: 'enter', step: 'init.read-args', at: ms(1006), sent: ms(1000.2) },
      end(1007),
    );
    checked(one);
    expect(since(named(one, 'launch').start)).toBe(0.2);
    expect(named(one, 'init').parentId).toBe(named(one, 'launch').spanId);
  });

  it('of a killed run that nobody has recovered end with the last that is known', () => {
    const one = told(
      plan(1, 'host.bridge', 1001),
      done(1, 'host.bridge', 1001, 1002),
      plan(2, 'create.x', 1003),
    );
    checked(one);
    expect(one).toMatchObject({ over: false, exitCode: undefined });
    expect(since(named(one, 'docker run').end)).toBe(3);
    expect(named(one, 'create.x').attributes).toMatchObject({ 'tsdock.step.unfinished': true });
    expect(named(one, 'create.x').error).toBeUndefined();
  });

  it('of a run that was killed while its program ran have the program until it was undone', () => {
    const one = told(
      { k: 'container', id: 'd'.repeat(64) },
      plan(1, 'create.reserve-name', 1000, [name]),
      done(1, 'create.reserve-name', 1000, 1001),
      plan(2, 'launch.clone', 1001),
      { k: 'also', n: 2, step: 'launch.clone', undo: kill },
      done(2, 'launch.clone', 1001, 1002),
      plan(3, 'init.exec', 1002),
      done(3, 'init.exec', 1002, 1003),
      plan(4, 'launch.wait-ready', 1003),
      done(4, 'launch.wait-ready', 1003, 1004),
      plan(5, 'exit.wait', 1004),
      { k: 'recovered', wall: WALL + 60_000, at: ms(61_000), boot: 'one' },
      undone(1, 61_001, 61_002),
      undone(0, 61_002, 61_003),
      end(61_004, 255),
    );
    checked(one);
    expect(one).toMatchObject({ containerName: 'web', over: true, exitCode: 255 });
    const process = named(one, 'container process');
    expect([since(process.start), since(process.end)]).toEqual([3, 60_002]);
    expect(process).toMatchObject({ spanId: trace.processSpanId, error: 'nobody saw how it ended' });
    // The step itself is cut where the run's own word ends, not where somebody found it.
    expect(since(named(one, 'exit.wait').end)).toBe(4);
    expect(named(one, 'exit.wait').error).toBe('ts-dock was killed in this step');
    expect(named(one, 'docker run').error).toBe('exit.wait: ts-dock was killed in this step');
  });

  it('of a run that was recovered after a reboot follow the clock of the new boot', () => {
    const one = told(
      plan(1, 'create.reserve-name', 1001, [name]),
      { k: 'recovered', wall: WALL + 3_600_000, at: ms(5), boot: 'two' },
      undone(0, 6, 7),
      end(8, 255),
    );
    checked(one);
    expect(since(named(one, 'undo release-name').start)).toBe(3_600_001);
    expect(since(named(one, 'docker run').end)).toBe(3_600_003);
  });

  it('count each try of an undo that failed at first', () => {
    const one = told(
      plan(1, 'create.reserve-name', 1001, [name]),
      { k: 'recovered', wall: WALL + 10, at: ms(1010), boot: 'one' },
      undone(0, 1010, 1011, 'EBUSY'),
      { k: 'recovered', wall: WALL + 20, at: ms(1020), boot: 'one' },
      undone(0, 1020, 1021),
      end(1022, 255),
    );
    checked(one);
    const tries = one.spans.filter((span) => span.name === 'undo release-name');
    expect(tries.map(({ error }) => error)).toEqual(['EBUSY', undefined]);
  });

  it('end with the run: what `rm` undid later is not theirs', () => {
    const entries = [plan(1, 'create.x', 1001, [name]), done(1, 'create.x', 1001, 1002), end(1003)];
    expect(told(...entries, undone(0, 9000, 9001))).toEqual(told(...entries));
  });

  it('have no failure where the user quit', () => {
    const one = told(
      plan(1, 'host.bridge', 1001),
      { k: 'fail', n: 1, step: 'host.bridge', at: ms(1001), end: ms(1002), reason: 'quit', message: '' },
      end(1003),
    );
    expect(checked(one).filter(({ error }) => error !== undefined)).toEqual([]);
  });

  it('are none without a first line', () => {
    expect(traceOf(tell('x', ''))).toBeUndefined();
  });
});

describe('what was waited for', () => {
  it('is said: a pause, dockerinit, the daemon, the program', () => {
    const frame = (t: string, at: number): unknown => ({
      k: 'frame',
      way: 'to-init',
      t,
      step: '',
      at: ms(at),
      sent: 0,
    });
    const one = told(
      plan(1, 'host.bridge', 1001),
      done(1, 'host.bridge', 1401, 1402),
      plan(2, 'launch.clone', 1402),
      done(2, 'launch.clone', 1402, 1403),
      plan(3, 'init.read-args', 1403),
      done(3, 'init.read-args', 1405, 1406),
      plan(4, 'launch.cgroups', 1407),
      frame('join', 1409),
      done(4, 'launch.cgroups', 1407, 1409),
      plan(5, 'init.join-cgroups', 1409),
      done(5, 'init.join-cgroups', 1406, 1410),
      plan(6, 'exit.wait', 1410),
      done(6, 'exit.wait', 1410, 2000),
      end(2001),
    );
    expect(
      waitsOf(one).map(({ service, start, end: to, why }) => [service, since(start), since(to), why]),
    ).toEqual([
      ['ts-dock', 0, 401, 'stood still: prompt or failpoint'],
      ['ts-dock', 403, 405, 'waiting for dockerinit to start'],
      ['ts-dock', 405, 407, 'dockerinit at work: 2 steps'],
      ['dockerinit', 406, 409, 'waiting for the cgroups'],
      ['ts-dock', 409, 410, 'dockerinit at work: 1 step'],
      ['ts-dock', 410, 1000, 'the program ran'],
    ]);
  });
});

describe('the sampling decision', () => {
  const caller = (flags: string): string => `00-${'1'.repeat(32)}-${'2'.repeat(16)}-${flags}`;
  it.each([
    ['', undefined, true],
    ['', caller('00'), false],
    ['always_off', undefined, false],
    ['always_off', caller('01'), false],
    ['always_on', caller('00'), true],
    ['parentbased_always_off', undefined, false],
    ['parentbased_always_off', caller('01'), true],
    ['parentbased_traceidratio', caller('00'), false],
    ['nonsense', undefined, true],
    ['nonsense', caller('00'), false],
  ])('of %j with %s', (sampler, parent, sampled) => {
    expect(drawTrace(parent, { OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: '0.5' }).sampled).toBe(
      sampled,
    );
  });

  it('by a share takes that share', () => {
    const env = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' };
    const taken = Array.from({ length: 4000 }, () => drawTrace(undefined, env)).filter((t) => t.sampled);
    expect(taken.length).toBeGreaterThan(800);
    expect(taken.length).toBeLessThan(1200);
    for (const [share, all] of [
      ['0', 0],
      ['1', 50],
    ] as const) {
      const some = Array.from({ length: 50 }, () =>
        drawTrace(undefined, { ...env, OTEL_TRACES_SAMPLER_ARG: share }),
      );
      expect(some.filter(({ sampled }) => sampled)).toHaveLength(all);
    }
  });
});

describe('the collector', () => {
  const [base, own] = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'];
  it.each([
    [{}, undefined, undefined],
    [{ [base]: '' }, undefined, undefined],
    [{ [base]: 'http://a:4318' }, undefined, 'http://a:4318/v1/traces'],
    [{ [base]: 'http://a:4318/x/' }, undefined, 'http://a:4318/x/v1/traces'],
    [{ [own]: 'http://a:4318/x/' }, undefined, 'http://a:4318/x/'],
    [{ [base]: 'http://a', [own]: 'https://b/y' }, undefined, 'https://b/y'],
    [{ [base]: 'http://a' }, 'https://c', 'https://c/v1/traces'],
    [{}, 'http://c/v1/traces', 'http://c/v1/traces'],
    [{ OTEL_SDK_DISABLED: 'TRUE' }, 'http://c', 'http://c/v1/traces'],
    [{ [base]: 'http://a', OTEL_SDK_DISABLED: 'true' }, undefined, undefined],
    [{ [base]: 'http://a', OTEL_TRACES_EXPORTER: 'console' }, undefined, undefined],
    [{ [base]: 'http://a', OTEL_TRACES_EXPORTER: 'console,otlp' }, undefined, 'http://a/v1/traces'],
  ] as const)('of %j and --otlp %s is %s', (env, option, name) => {
    const wish = collectorOf(env, option);
    expect(wish === undefined ? undefined : 'collector' in wish ? wish.collector.name : wish).toBe(name);
  });

  it.each(['localhost:4318', 'ftp://a', 'http://', 'http://a:99999', ''])('is not %j', (address) => {
    expect(collectorOf({}, address)).toHaveProperty('refused');
  });

  it('is not asked by gRPC', () => {
    const env = { [base]: 'http://a:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
    expect(collectorOf(env, undefined)).toMatchObject({ refused: expect.stringContaining('gRPC') as string });
  });

  it('is written down without what opens its door, and the exporter knows no more than it needs', () => {
    const env = { OTEL_EXPORTER_OTLP_HEADERS: 'k=v', NO_PROXY: '*', PASSWORD: 'x', AWS_SECRET: 'y' };
    const wish = collectorOf(env, 'https://me:pass@a/?key=1');
    if (wish === undefined || !('collector' in wish)) throw new Error('refused');
    expect(wish.collector.name).toBe('https://a/v1/traces');
    expect(wish.collector.env).toMatchObject({
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://me:pass@a/v1/traces?key=1',
      OTEL_EXPORTER_OTLP_HEADERS: 'k=v',
      NO_PROXY: '*',
    });
    expect(Object.keys(wish.collector.env).filter((each) => /PASSWORD|AWS/.test(each))).toEqual([]);
  });
});
