/** What the user said and what the image says, merged by Docker 1.2.0's rules. */
import { describe, expect, test } from 'vitest';
import { commandOf, mergeConfig } from '../../src/daemon/merge.ts';
import { EMPTY_CONFIG, type Config } from '../../src/daemon/model.ts';

const user = (said: Partial<Config>): Config => ({ ...EMPTY_CONFIG, ...said });

describe('what the image says', () => {
  test.each<[keyof Config, Partial<Config>, Partial<Config>, unknown]>([
    ['User', {}, { User: 'daemon' }, 'daemon'],
    ['User', { User: 'root' }, { User: 'daemon' }, 'root'],
    ['Memory', {}, { Memory: 1 << 20 }, 1 << 20],
    ['Memory', { Memory: 1 << 21 }, { Memory: 1 << 20 }, 1 << 21],
    ['MemorySwap', {}, { MemorySwap: -1 }, -1],
    ['StopSignal', {}, { StopSignal: 'SIGQUIT' }, 'SIGQUIT'],
    ['StopSignal', { StopSignal: '2' }, { StopSignal: 'NONSENSE' }, '2'],
    ['StopSignal', {}, {}, ''],
    ['MemorySwap', { MemorySwap: -1 }, { MemorySwap: 1 << 22 }, -1],
    ['CpuShares', {}, { CpuShares: 512 }, 512],
    ['CpuShares', { CpuShares: 2 }, { CpuShares: 512 }, 2],
    ['WorkingDir', {}, { WorkingDir: '/srv' }, '/srv'],
    ['WorkingDir', { WorkingDir: '/tmp' }, { WorkingDir: '/srv' }, '/tmp'],
  ])('about %s fills a gap of %j and nothing else (it says %j)', (key, said, image, expected) => {
    expect(mergeConfig(user(said), image)[key]).toEqual(expected);
  });

  test.each<[keyof Config, Partial<Config>]>([
    ['Hostname', { Hostname: 'theirs' }],
    ['Domainname', { Domainname: 'theirs.test' }],
    ['Tty', { Tty: true }],
    ['OpenStdin', { OpenStdin: true }],
    ['NetworkDisabled', { NetworkDisabled: true }],
    ['OnBuild', { OnBuild: ['RUN true'] }],
    ['Cpuset', { Cpuset: '0' }],
  ])('about %s is not merged', (key, image) => {
    expect(mergeConfig(EMPTY_CONFIG, image)[key]).toEqual(EMPTY_CONFIG[key]);
  });

  test('may be nothing at all', () => {
    expect(mergeConfig(EMPTY_CONFIG)).toEqual(EMPTY_CONFIG);
  });
});

describe('the environment', () => {
  test.each<[string, readonly string[], readonly string[], readonly string[]]>([
    ['has the image’s behind the user’s', ['B=2', 'A=1'], ['C=3'], ['B=2', 'A=1', 'C=3']],
    ['has the user’s value of a name that both set', ['A=mine'], ['A=theirs', 'B=2'], ['A=mine', 'B=2']],
    ['takes an empty value for a value', ['A='], ['A=theirs'], ['A=']],
    ['cuts a name at the first =', ['A=x=y'], ['A=1', 'A=x=z'], ['A=x=y']],
    ['does not take a name’s beginning for the name', ['PATH_X=1'], ['PATH=/bin'], ['PATH_X=1', 'PATH=/bin']],
    ['tells capitals apart', ['path=1'], ['PATH=2'], ['path=1', 'PATH=2']],
  ])('%s', (_what, said, image, expected) => {
    expect(mergeConfig(user({ Env: said }), { Env: image }).Env).toEqual(expected);
  });
});

describe('ports and volumes', () => {
  const keys = (...names: string[]): Record<string, Record<string, never>> =>
    Object.fromEntries(names.map((name) => [name, {}]));

  test.each(['ExposedPorts', 'Volumes'] as const)('of both are united: %s', (key) => {
    const merged = (said: Config['Volumes'], image?: Config['Volumes']): unknown =>
      mergeConfig(user({ [key]: said }), image === undefined ? {} : { [key]: image })[key];
    expect(merged(null)).toBeNull();
    expect(merged(null, null)).toBeNull();
    expect(merged(keys('/a'))).toEqual(keys('/a'));
    expect(merged(null, keys('/b'))).toEqual(keys('/b'));
    expect(merged(keys('/a', '/b'), keys('/b', '/c'))).toEqual(keys('/a', '/b', '/c'));
  });
});

describe('the command', () => {
  type Words = readonly string[] | null;
  test.each<[string, { e: Words; c: Words }, { e: Words; c: Words }, readonly string[]]>([
    ['is nothing where nobody says one', { e: null, c: null }, { e: null, c: null }, []],
    ['is the user’s alone', { e: null, c: ['ls', '/'] }, { e: null, c: null }, ['ls', '/']],
    ['is the image’s where the user says none', { e: null, c: null }, { e: null, c: ['sh'] }, ['sh']],
    ['is the image’s where the user’s is empty', { e: null, c: [] }, { e: null, c: ['sh'] }, ['sh']],
    ['is the user’s where both say one', { e: null, c: ['ls'] }, { e: null, c: ['sh'] }, ['ls']],
    ['has the image’s entrypoint in front', { e: null, c: ['x'] }, { e: ['run'], c: ['y'] }, ['run', 'x']],
    [
      'is the image’s entrypoint and command where the user says nothing',
      { e: null, c: null },
      { e: ['run'], c: ['y'] },
      ['run', 'y'],
    ],
    [
      'drops the image’s command with its entrypoint',
      { e: ['mine'], c: null },
      { e: ['run'], c: ['y'] },
      ['mine'],
    ],
    ['is wholly the user’s', { e: ['mine'], c: ['x'] }, { e: ['run'], c: ['y'] }, ['mine', 'x']],
    ['forgets the entrypoint that the user emptied', { e: [], c: ['x'] }, { e: ['run'], c: ['y'] }, ['x']],
    ['is nothing where the user emptied the entrypoint', { e: [], c: null }, { e: ['run'], c: ['y'] }, []],
  ])('%s', (_what, said, image, expected) => {
    const merged = mergeConfig(user({ Entrypoint: said.e, Cmd: said.c }), {
      Entrypoint: image.e,
      Cmd: image.c,
    });
    expect(commandOf(merged)).toEqual(expected);
  });
});

test.each(['NONSENSE', '0', '65', 'RTMAX+1'])(
  'a stop signal of the image that is none is refused: %s',
  (signal) => {
    expect(() => mergeConfig(user({}), { StopSignal: signal })).toThrow(
      `its stop signal "${signal}" is none`,
    );
  },
);

test('neither config is changed', () => {
  const freeze = <T extends object>(value: T): T => {
    for (const part of Object.values(value) as unknown[])
      if (typeof part === 'object' && part !== null) freeze(part);
    return Object.freeze(value);
  };
  const said = freeze(user({ Env: ['A=1'], Volumes: { '/a': {} }, Cmd: ['x'] }));
  const image = freeze<Partial<Config>>({ Env: ['B=2'], Volumes: { '/b': {} }, Entrypoint: ['run'] });
  const merged = mergeConfig(said, image);
  expect(merged).toMatchObject({ Env: ['A=1', 'B=2'], Volumes: { '/a': {}, '/b': {} } });
  expect(said).toMatchObject({ Env: ['A=1'], Volumes: { '/a': {} }, Entrypoint: null });
});
