/**
 * The trace of real runs at real collectors: what arrives is decoded by other code than the exporter's, held against the
 * journal, and against both files. And whatever a collector does, the run does not notice.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sandbox, type Done, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import {
  decode,
  expectWhole,
  fromJaeger,
  fromOtlp,
  inMicroseconds,
  pathTo,
  stepsIn,
  type OtlpRequest,
  type PlainSpan,
} from './forms.ts';
import { receiver, type Manner, type Receiver } from './receiver.ts';

type Line = Readonly<Record<string, unknown>>;

describe.skipIf(skipUnlessRoot())('the trace of a run', () => {
  let box: Sandbox;
  let collector: Receiver;
  const collectors: Receiver[] = [];

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    expect(await box.run(['run', '--rm', 'base', 'true'])).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    await box.dispose();
  });
  afterEach(async () => {
    for (const each of collectors.splice(0)) await each.close();
  });

  const journal = (): string => join(box.root, 'journal');
  const runs = (): string[] =>
    readdirSync(journal())
      .filter((name) => /^\d/.test(name))
      .sort();
  const latest = (): string => runs().at(-1)!;
  const lines = (run: string): Line[] =>
    readFileSync(join(journal(), run, 'journal.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  const stepsOf = (run: string): unknown[] => [
    ...new Map(
      lines(run)
        .filter(({ k }) => k === 'plan' || k === 'fail')
        .map(({ n, step }) => [n, step]),
    ).values(),
  ];

  async function collect(manner: Manner = 'ok'): Promise<Receiver> {
    collector = await receiver(manner);
    collectors.push(collector);
    return collector;
  }
  const received = (): PlainSpan[] => fromOtlp(...collector.requests.map(({ body }) => decode(body)));

  /** A run whose trace is at the collector when it returns. */
  async function traced(args: readonly string[], env: Record<string, string> = {}): Promise<Done> {
    await collect();
    const done = await box.run(['run', '--otlp', collector.endpoint, '--otlp-wait', ...args], { env });
    expect(done.stderr).toContain(`sent the trace of ${latest()}`);
    return done;
  }

  /** What became of a run's trace, as soon as that is known. */
  async function mark(run: string): Promise<Line> {
    const file = join(journal(), run, 'export.json');
    while (!existsSync(file)) await pause(10);
    return JSON.parse(readFileSync(file, 'utf8')) as Line;
  }

  async function files(): Promise<{ otlp: PlainSpan[]; jaeger: PlainSpan[] }> {
    const [otlp, jaeger] = await Promise.all(
      ['otlp', 'jaeger'].map((format) => box.run(['trace', 'export', '--format', format])),
    );
    return {
      otlp: fromOtlp(JSON.parse(otlp!.stdout) as OtlpRequest),
      jaeger: fromJaeger(jaeger!.stdout),
    };
  }

  it('is whole: one trace, two services, a span for each step, the same in both files', async () => {
    const done = await traced(['--rm', '--name', 'whole', 'base', 'env']);
    expect(done.code).toBe(0);
    expect(collector.requests.map(({ url, type }) => [url, type])).toEqual(
      collector.requests.map(() => ['/v1/traces', 'application/x-protobuf']),
    );
    const spans = received();
    expectWhole(spans);
    expect([...new Set(spans.map(({ service }) => service))].sort()).toEqual(['dockerinit', 'ts-dock']);
    expect(stepsIn(spans)).toEqual(stepsOf(latest()));
    expect(spans.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(pathTo(spans, 'init.pivot')).toEqual(['docker run', 'launch', 'init', 'init.pivot']);
    const dockerinits = spans.filter(({ service }) => service === 'dockerinit').map(({ name }) => name);
    expect(dockerinits.every((name) => name === 'init' || name.startsWith('init.'))).toBe(true);

    const both = await files();
    expect(both.otlp).toEqual(spans);
    expect(both.jaeger).toEqual(inMicroseconds(spans));
  });

  it("has the container's process: the id that it was told, its exit code, CPU time and peak memory", async () => {
    const script = 'echo $TRACEPARENT; x=$(head -c 9000000 /dev/zero | tr "\\\\0" x); exit 3';
    const done = await traced(['--rm', 'base', 'sh', '-c', script]);
    expect(done.code).toBe(3);
    const spans = received();
    const told = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/m.exec(done.stdout)!;
    const process = spans.find(({ spanId }) => spanId === told[2])!;
    expect(process).toMatchObject({ name: 'container process', traceId: told[1], error: 'exit code 3' });
    expect(pathTo(spans, process.name)).toEqual(['docker run', 'container process']);
    const { attributes } = process;
    expect(attributes).toMatchObject({ 'process.exit.code': 3, 'error.type': '3' });
    expect(attributes['tsdock.process.cpu_time_ns']).toBeGreaterThan(1e5);
    // What the shell held, and less than Node's own memory, which rusage would have told.
    expect(attributes['tsdock.process.memory_peak_bytes']).toBeGreaterThan(9e6);
    expect(attributes['tsdock.process.memory_peak_bytes']).toBeLessThan(30e6);
    expect(attributes['container.id']).toMatch(/^[0-9a-f]{64}$/);
    const exec = spans.find(({ name }) => name === 'init.exec')!;
    expect(process.start).toBe(exec.end);
  });

  it('has every frame of the handshake as an event on both sides', async () => {
    await traced(['--rm', 'base', 'true']);
    const spans = received();
    const side = (name: string): readonly unknown[][] =>
      spans
        .find((span) => span.name === name)!
        .events.filter((event) => event.name.startsWith('handshake '))
        .map(({ name: what, attributes }) => [what, attributes['tsdock.frame.direction']]);
    const [ours, theirs] = [side('launch'), side('init')];
    const steps = stepsIn(spans).filter((name) => name.startsWith('init.')).length;
    const count = (list: readonly unknown[][], what: string, direction: string): number =>
      list.filter(([w, d]) => w === `handshake ${what}` && d === direction).length;
    for (const [what, times] of [
      ['enter', steps],
      ['leave', steps - 1],
      ['joined', 1],
      ['ready', 1],
    ] as const) {
      expect(count(ours, what, 'received'), what).toBe(times);
      expect(count(theirs, what, 'sent'), what).toBe(times);
    }
    for (const what of ['go', 'join', 'network-state']) {
      expect(count(ours, what, 'sent'), what).toBe(1);
      expect(count(theirs, what, 'received'), what).toBe(1);
    }
  });

  it('names what broke in dockerinit, and what was undone', async () => {
    const done = await traced(['--rm', '--fail', 'init.devices=error', 'base', 'true']);
    expect(done.code).toBe(125);
    const spans = received();
    expectWhole(spans);
    expect(stepsIn(spans)).toEqual(stepsOf(latest()));
    const broken = spans.find(({ name }) => name === 'init.devices')!;
    expect(broken).toMatchObject({
      service: 'dockerinit',
      error: 'a failpoint says that init.devices fails before it acts',
      attributes: { 'error.type': 'injected' },
    });
    expect(broken.events).toEqual([
      {
        name: 'exception',
        time: broken.end,
        attributes: { 'exception.type': 'injected', 'exception.message': broken.error },
      },
    ]);
    for (const name of ['init', 'launch', 'docker run'])
      expect(spans.find((span) => span.name === name)!.error).toBe(`init.devices: ${broken.error!}`);
    const undone = lines(latest()).filter(({ k }) => k === 'undone');
    expect(undone.length).toBeGreaterThan(10);
    expect(spans.filter(({ name }) => name.startsWith('undo '))).toHaveLength(undone.length);
    const both = await files();
    expect(both.otlp).toEqual(spans);
    expect(both.jaeger).toEqual(inMicroseconds(spans));
  });

  it('says of a program that is not there what the user is told', async () => {
    const done = await traced(['--rm', 'base', 'no-such-program']);
    expect(done.code).toBe(127);
    const spans = received();
    expectWhole(spans);
    const [failed, ...others] = spans.filter(({ events }) => events.some(({ name }) => name === 'exception'));
    expect(others).toEqual([]);
    expect(failed!.attributes['error.type']).toBe('not-found');
    expect(failed!.error).toContain('no-such-program');
    expect(spans.some(({ name }) => name === 'container process')).toBe(false);
  });

  it("continues the caller's trace", async () => {
    const caller = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await traced(['--rm', 'base', 'true'], { TRACEPARENT: caller });
    const spans = received();
    expectWhole(spans, 'b7ad6b7169203331');
    expect(spans[0]!.traceId).toBe('0af7651916cd43dd8448eb211c80319c');
  });

  it.each([
    ['the caller', { TRACEPARENT: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' }],
    ['the sampler', { OTEL_TRACES_SAMPLER: 'always_off' }],
  ])('is not sent where %s decided so', async (_who, env) => {
    const { endpoint, requests } = await collect();
    const args = ['run', '--rm', '--otlp-wait', 'base', 'sh', '-c', 'echo $TRACEPARENT'];
    const done = await box.run(args, { env: { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } });
    expect(done).toMatchObject({ code: 0, stdout: expect.stringMatching(/-00\n$/) as string });
    expect(done.stderr).toContain('it is not sampled');
    const again = await box.run(['trace', 'export', '--otlp', endpoint]);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('not sampled') as string });
    expect(requests).toEqual([]);
  });

  it('of a run that was killed is sent when it is recovered', async () => {
    const { endpoint, requests } = await collect();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
    const killed = await box.run(['run', '--rm', '--fail', 'launch.cgroups:after=kill', 'base', 'true'], {
      env,
    });
    expect(killed.signal).toBe('SIGKILL');
    const run = latest();
    const list = JSON.parse((await box.run(['trace', 'list', '--json'])).stdout) as Line[];
    expect(list[0]).toMatchObject({ run, over: false, exitCode: null });
    expect(requests).toEqual([]);
    expect(await box.run(['recover'], { env })).toMatchObject({ code: 0 });
    expect(await mark(run)).toMatchObject({ state: 'sent', to: `${endpoint}/v1/traces` });
    const spans = received();
    expectWhole(spans);
    expect(stepsIn(spans)).toEqual(stepsOf(run));
    expect(spans.find(({ parentId }) => parentId === '')).toMatchObject({
      error: 'ts-dock was killed',
      attributes: { 'process.exit.code': 255 },
    });
    expect(spans.filter(({ name }) => name.startsWith('undo ')).length).toBeGreaterThan(5);
  });

  describe('at a collector that', () => {
    it('does not answer, is not noticed by the run', async () => {
      const { endpoint } = await collect('held');
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
      // The rig fails the run if something still holds its output.
      const done = await box.run(['run', '--rm', 'base', 'sh', '-c', 'exit 7'], { env, grace: 500 });
      expect(done).toMatchObject({ code: 7, stdout: '', stderr: '' });
      const run = latest();
      await collector.taken(1);
      expect(collector.unanswered()).toBe(1);
      expect(existsSync(join(journal(), run, 'export.json'))).toBe(false);
      // While it keeps the first exporter waiting, a second run ends as well, and leaves its trace to the first.
      expect(await box.run(['run', '--rm', 'base', 'true'], { env })).toMatchObject({ code: 0, stderr: '' });
      const second = latest();
      expect(collector.unanswered()).toBe(1);
      collector.release();
      expect(await mark(run)).toMatchObject({ state: 'sent', attempts: 1 });
      expect(await mark(second)).toMatchObject({ state: 'sent', attempts: 1 });
      expect(new Set(received().map(({ traceId }) => traceId)).size).toBe(2);
    });

    it.each([
      ['is not there', 'dead', 'ECONNREFUSED'],
      ['answers 503', 'refusing', ''],
      ['answers 400', 'rejecting', ''],
      ['takes and never answers', 'held', ''],
    ] as const)('%s: the exit code is the same, and who waits is told', async (_what, manner, why) => {
      const endpoint = manner === 'dead' ? await deadEnd() : (await collect(manner)).endpoint;
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_TIMEOUT: '300' };
      const done = await box.run(['run', '--rm', '--otlp-wait', 'base', 'sh', '-c', 'echo out; exit 7'], {
        env,
      });
      expect(done).toMatchObject({ code: 7, stdout: 'out\n' });
      expect(done.stderr).toContain(`could not send the trace of ${latest()} to ${endpoint}/v1/traces: `);
      expect(done.stderr).toContain(why);
      expect(await mark(latest())).toMatchObject({ state: 'failed', attempts: 1 });
      expect(readFileSync(join(journal(), 'export.log'), 'utf8')).toContain(latest());
    });

    it('has come back, gets what it missed', async () => {
      const { endpoint } = await collect('rejecting');
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
      await box.run(['run', '--rm', '--otlp-wait', 'base', 'true'], { env });
      const missed = latest();
      collector.release();
      collector.requests.length = 0;
      await box.run(['run', '--rm', '--otlp-wait', 'base', 'true'], { env });
      while ((await mark(missed))['state'] !== 'sent') await pause(10);
      expect(new Set(received().map(({ traceId }) => traceId)).size).toBe(2);
    });
  });

  it('follows the standard variables', async () => {
    const { endpoint } = await collect();
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1/wrong',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${endpoint}/own/path`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-token=topsecret',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
      OTEL_SERVICE_NAME: 'shop',
    };
    await box.run(['run', '--rm', '--otlp-wait', 'base', 'true'], { env });
    expect(collector.requests.map(({ url, headers }) => [url, headers['x-token']])).toEqual(
      collector.requests.map(() => ['/own/path', 'topsecret']),
    );
    const decoded = collector.requests.map(({ body }) => decode(body));
    expect(new Set(fromOtlp(...decoded).map(({ service }) => service))).toEqual(
      new Set(['shop', 'dockerinit']),
    );
    for (const { resource } of decoded.flatMap(({ resourceSpans }) => resourceSpans))
      expect(resource.attributes).toContainEqual({
        key: 'deployment.environment',
        value: { stringValue: 'test' },
      });
    // What opens the collector's door is not written down.
    expect(() => execFileSync('grep', ['-r', 'topsecret', box.root])).toThrow();
  });

  it.each([
    ['OTEL_SDK_DISABLED', 'true'],
    ['OTEL_TRACES_EXPORTER', 'none'],
  ])('is not sent with %s=%s, unless --otlp asks for it', async (name, value) => {
    const { endpoint, requests } = await collect();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, [name]: value };
    const refused = await box.run(['run', '--rm', '--otlp-wait', 'base', 'true'], { env });
    expect(refused).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('given with a collector') as string,
    });
    expect(await box.run(['run', '--rm', 'base', 'true'], { env })).toMatchObject({ code: 0, stderr: '' });
    expect(lines(latest())[0]).not.toHaveProperty('otlp');
    expect(requests).toEqual([]);
    await box.run(['run', '--rm', '--otlp', endpoint, '--otlp-wait', 'base', 'true'], { env });
    expect(requests.length).toBeGreaterThan(0);
  });

  it('is in a file after the run, without values of the environment and arguments', async () => {
    const file = join(box.folder, 'mine.jaeger.json');
    const secret = ['-e', 'PASSWORD=hunter2', 'base', 'echo', 'sesame'];
    const done = await box.run(['run', '--rm', '--trace-file', file, ...secret]);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    const text = readFileSync(file, 'utf8');
    expectWhole(fromJaeger(text));
    expect(text).not.toMatch(/hunter2|sesame/);
    const lost = await box.run([
      'run',
      '--rm',
      '--trace-file',
      '/no/such/folder/x',
      'base',
      'sh',
      '-c',
      'exit 7',
    ]);
    expect(lost).toMatchObject({ code: 7, stderr: expect.stringContaining('ENOENT') as string });
  });
});

/** An address where nobody listens. */
async function deadEnd(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}
