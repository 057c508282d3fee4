/** `load` by the command line: stepped through, and broken at every step by an error and by a real SIGKILL. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placeOf } from '../../src/daemon/place.ts';
import { loadFlow } from '../../src/flows/load.ts';
import { dockerLayout, layerOf, tarOfLayout } from '../layouts/rig.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { witness } from './rig.ts';

const [low, high] = [layerOf('low'), layerOf('high')];

describe.skipIf(skipUnlessRoot())('load', () => {
  let box: Sandbox;
  let before: string[];
  const look = (): string[] => witness(placeOf(box.root));

  beforeAll(async () => {
    box = await sandbox({ manual: true });
    writeFileSync(join(box.folder, 'first.tar'), tarOfLayout(dockerLayout([low], ['app:v1'])));
    writeFileSync(join(box.folder, 'app.tar'), tarOfLayout(dockerLayout([low, high], ['app:v1', 'app:v2'])));
    expect(await box.run(['load', '-i', 'first.tar'])).toMatchObject({
      code: 0,
      stdout: 'Loaded image: app:v1\n',
    });
    before = look();
  });
  afterAll(async () => {
    expect(await box.run(['load', '-q', '-i', 'app.tar'])).toMatchObject({
      code: 0,
      stdout: 'Loaded image: app:v1\nLoaded image: app:v2\n',
    });
    await box.dispose();
  });

  const cases = loadFlow.flatMap(({ id }) =>
    (['before', 'after'] as const).flatMap((when) =>
      (['error', 'kill'] as const).map((action) => [when, id, action] as const),
    ),
  );

  it.each(cases)('broken %s %s by %s leaves nothing', async (when, id, action) => {
    const broken = await box.run(['load', '-i', 'app.tar', '--fail', `${id}:${when}=${action}`]);
    expect(broken).toMatchObject(
      action === 'kill' ? { signal: 'SIGKILL', stdout: '' } : { code: 125, stdout: '' },
    );
    const recovered = await box.run(['recover', '--json']);
    expect(JSON.parse(recovered.stdout)).toHaveLength(action === 'kill' ? 1 : 0);
    expect(look()).toEqual(before);
  });

  it('shows its cards, and stops where it is told to', async () => {
    writeFileSync(join(box.folder, 'commands'), 'dump store\nquit\n');
    const stopped = await box.run([
      'load',
      '-i',
      'app.tar',
      '--break',
      'load.unpack-layers',
      '--step-commands',
      'commands',
    ]);
    expect(stopped).toMatchObject({ code: 0, stdout: '' });
    expect(stopped.stderr).toMatch(/✓ .*load\.check-images/);
    expect(stopped.stderr).toContain('Unpack the layers that are not there yet');
    expect(stopped.stderr).toMatch(/undo +drop layers on which nothing stands/);
    expect(look()).toEqual(before);
    const stepped = await box.run(['import', '--step', 'first.tar'], { stdin: 'n\nq\n' });
    expect(stepped.stderr).toContain('Unpack the root as a layer');
    expect(look()).toEqual(before);
  });

  it('from standard input takes its commands from a file', async () => {
    writeFileSync(join(box.folder, 'commands'), 'n\nn\nq\n');
    const text = tarOfLayout(dockerLayout([], ['empty:v1'])).toString('latin1');
    const done = await box.run(['load', '--step', '--step-commands', 'commands'], { stdin: text });
    expect(done.stderr).toContain('Work out the ids');
    expect(look()).toEqual(before);
  });

  it.each([
    [['load', '-i', 'not-there'], /cannot open not-there: ENOENT/],
    [['load', '-i', ''], /no name of a file/],
    [['load', '-i', 'app.tar', '--budget', 'bytes'], /NAME=VALUE/],
    [['load', '-i', 'app.tar', '--budget', 'constructor=5'], /NAME=VALUE/],
    [['load', '-i', 'app.tar', '--budget', 'entries=-1'], /whole number/],
    [['load', '-i', 'app.tar', '--platform', 'x/y/z/u'], /--platform/],
    [['load', '-i', 'app.tar', '--platform', 'linux/s390x'], /no image for linux\/s390x/],
    [['load', '-i', 'app.tar', '--budget', 'entries=1'], /app\.tar/],
    [['load'], /no images|no tar archive/],
    [['import', 'app.tar', 'UPPER'], /lower case/],
    [['import', 'app.tar', `x@sha256:${'a'.repeat(64)}`], /that is a digest/],
    [['import', '-c', 'RUN x', 'app.tar'], /begins with none/],
    [['import', 'http://example.test/x.tar'], /it is an address/],
  ])('%j is refused with one error, and the store is as it was', async (args, message) => {
    const done = await box.run(args);
    expect(done).toMatchObject({ code: 125, stdout: '' });
    expect(done.stderr).toMatch(message);
    expect(done.stderr.match(/^ts-dock: /gm)).toHaveLength(1);
    expect(look()).toEqual(before);
  });
});
