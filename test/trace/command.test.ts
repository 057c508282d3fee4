/** `trace list|show|export` as people type them, and what they answer to nonsense. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { widthOf } from '../../src/cli/render/text.ts';
import { launch, sandbox, type Done, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';
import { expectWhole, fromJaeger, fromOtlp, type OtlpRequest } from './forms.ts';

interface Listed {
  readonly run: string;
  readonly traceId: string;
  readonly container: string;
  readonly name: string;
  readonly exitCode: number;
}

describe.skipIf(skipUnlessRoot())('trace', () => {
  let box: Sandbox;
  let listed: Listed[];
  const trace = (...args: string[]): Promise<Done> => box.run(['trace', ...args]);

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    expect(await trace('list', '--json')).toMatchObject({ code: 0, stdout: '[]\n' });
    expect(await trace('show')).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('nothing has run yet') as string,
    });
    // Busy for a while: of one that ends at once there may be nothing left to wait for.
    const busy = 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; exit 3';
    await box.run(['run', '--rm', '--name', 'first', 'base', 'sh', '-c', busy]);
    await box.run(['run', '--name', 'second', 'base', 'true']);
    await box.run(['start', '-a', 'second']);
    listed = JSON.parse((await trace('list', '--json')).stdout) as Listed[];
  });
  afterAll(async () => {
    await box.dispose();
  });

  it('list has every run, newest first', async () => {
    expect(listed).toMatchObject([
      { command: 'start', name: 'second', exitCode: 0, over: true, export: null },
      { command: 'run', name: 'second', exitCode: 0 },
      { command: 'run', name: 'first', exitCode: 3 },
    ]);
    const { stdout } = await trace('list');
    expect(stdout.split('\n')[3]).toMatch(/^\S+ +run +first .* 3$/);
  });

  it('a run is found by its id, its beginning, and its container; of a container the last one counts', async () => {
    const [last, second, first] = listed;
    const idOf = async (wanted?: string): Promise<string> =>
      (
        JSON.parse(
          (await trace('show', '--json', ...(wanted === undefined ? [] : [wanted]))).stdout,
        ) as Listed
      ).run;
    expect(await idOf()).toBe(last!.run);
    expect(await idOf('latest')).toBe(last!.run);
    expect(await idOf(first!.run)).toBe(first!.run);
    expect(await idOf(first!.run.slice(0, -1))).toBe(first!.run);
    // Its container is long gone.
    expect(await idOf('first')).toBe(first!.run);
    expect(await idOf('second')).toBe(last!.run);
    expect(await idOf(second!.container.slice(0, 12))).toBe(last!.run);
  });

  it.each([
    ['2', 'cannot tell which run 2 is'],
    ['nobody', 'cannot find a run or a container "nobody"'],
    ['', 'cannot find a run or a container ""'],
  ])('no single run is %j', async (wanted, words) => {
    expect(await trace('show', wanted)).toMatchObject({
      code: 125,
      stderr: expect.stringContaining(words) as string,
    });
  });

  it('show draws both services, the handshake and what was waited for, in 80 columns', async () => {
    const { stdout } = await trace('show', 'first');
    expect(stdout).toMatch(/^docker run {2}first \([0-9a-f]{12}\) · exit code 3/);
    expect(stdout).toMatch(/^ {2}✗ container process .*█/m);
    expect(stdout).toMatch(/its cgroup counted .* of CPU, at most .* MiB of memory/);
    expect(stdout).toMatch(/^ {2}◆ init\.pivot +.*█$/m);
    expect(stdout).toMatch(/^ {2}clone +.*█$/m);
    expect(stdout).toMatch(/^ {2}frames sent: go, join, network.* 3 .*▸.*$/m);
    expect(stdout).toMatch(/^ {2}frames received +\d+ .*◂$/m);
    expect(stdout).toMatch(/^ {2}the program ran .*░$/m);
    expect(stdout).toMatch(/^ {2}dockerinit at work: \d+ steps? .*░/m);
    const lines = stdout.split('\n');
    expect(lines.filter((line) => widthOf(line) > 80)).toEqual([]);
    expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
  });

  it.each(['otlp', 'jaeger'])('export --format %s goes to standard output or to a file', async (format) => {
    const { stdout } = await trace('export', '--format', format, 'first');
    const file = join(box.folder, format);
    expect(await trace('export', '--format', format, '-o', file, 'first')).toMatchObject({
      code: 0,
      stdout: '',
    });
    expect(readFileSync(file, 'utf8')).toBe(stdout);
    const spans = format === 'jaeger' ? fromJaeger(stdout) : fromOtlp(JSON.parse(stdout) as OtlpRequest);
    expectWhole(spans);
    expect(spans[0]!.traceId).toBe(listed[2]!.traceId);
  });

  it('export takes the form from the name of the file', async () => {
    const file = join(box.folder, 'x.jaeger.json');
    await trace('export', '-o', file);
    expectWhole(fromJaeger(readFileSync(file, 'utf8')));
  });

  it.each([
    [['trace', 'export', '--format', 'zipkin'], 'otlp or jaeger'],
    [['trace', 'export', '--otlp', 'localhost'], 'an address such as'],
    [['trace', 'export', '--otlp', 'http://localhost', '-o', 'x'], 'without --format and --output'],
    [['run', '--otlp', 'localhost:4318', 'base'], 'an address such as'],
    [['run', '--otlp-wait', 'base'], 'given with a collector'],
    [['run', '--trace-format', 'otlp', 'base'], 'together with --trace-file'],
    [['run', '--trace-file', 'x', '--trace-format', 'zipkin', 'base'], 'otlp or jaeger'],
    [['run', '--trace-file', '', 'base'], 'a path'],
  ])('%j is refused', async (args, words) => {
    const before = listed.length;
    expect(await box.run(args)).toMatchObject({
      code: 125,
      stdout: '',
      stderr: expect.stringContaining(words) as string,
    });
    expect(JSON.parse((await trace('list', '--json')).stdout)).toHaveLength(before);
  });

  it.skipIf(skipUnlessProgram('setpriv'))('without root one sentence says so', async () => {
    const someone = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const bundle = join(import.meta.dirname, '../../dist/ts-dock.cjs');
    const args = [...someone, process.execPath, bundle, '--root', box.root, 'trace', 'show'];
    const done = await launch('setpriv', args, { cwd: '/' }).done;
    expect(done).toMatchObject({ code: 125, stdout: '' });
    expect(done.stderr).toContain(`cannot read the journals in ${box.root} without root`);
  });

  it('an address in the environment that cannot be used is said, and the run goes on', async () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' };
    expect(await box.run(['create', 'base', 'true'], { env })).toMatchObject({
      code: 0,
      stderr:
        'ts-dock: the trace is not sent: OTEL_EXPORTER_OTLP_ENDPOINT is no address such as http://localhost:4318\n',
    });
  });
});
