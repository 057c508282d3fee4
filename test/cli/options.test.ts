import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import {
  addContainerFlags,
  addDebuggerFlags,
  addRunFlags,
  requestOf,
  rootOf,
  watchingOf,
  type ContainerOptions,
  type DebuggerOptions,
} from '../../src/cli/options.ts';
import type { CreateRequest } from '../../src/daemon/model.ts';
import { TsDockError } from '../../src/engine/failure.ts';

const files: Record<string, string> = {
  '/env': '# a comment\n\nA=1\n  B=two words \r\nOURS\nNOT_OURS\n',
  '/blank': 'A B=1\n',
  '/nameless': 'X=1\n=2\n',
};
const around = {
  env: { OURS: 'from here', EMPTY: '' },
  readFile: (path: string): string => {
    const content = files[path];
    if (content === undefined) throw new Error(`ENOENT ${path}`);
    return content;
  },
};

function parsed(line: readonly string[]): {
  request: CreateRequest;
  options: ContainerOptions & DebuggerOptions;
} {
  const program = new Command('ts-dock').enablePositionalOptions().exitOverride();
  const run = new Command('run').argument('<image>').argument('[command...]').exitOverride();
  let found: { request: CreateRequest; options: ContainerOptions & DebuggerOptions } | undefined;
  addDebuggerFlags(addRunFlags(addContainerFlags(run))).action(
    (image: string, command: string[], options: ContainerOptions) => {
      found = { request: requestOf(image, command, options, around), options };
    },
  );
  program.addCommand(run);
  program.parse(['run', ...line], { from: 'user' });
  if (found === undefined) throw new Error('the action did not run');
  return found;
}

const request = (...line: string[]): CreateRequest => parsed([...line, 'base']).request;

function refusal(...line: string[]): string {
  try {
    request(...line);
  } catch (error) {
    if (error instanceof TsDockError && error.reason === 'bad-usage') return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('what a line asks for', () => {
  test('nothing but an image says nothing else', () => {
    const { config, hostConfig, name, image } = request();
    expect({ image, name }).toEqual({ image: 'base', name: '' });
    expect(config).toMatchObject({
      Cmd: null,
      Entrypoint: null,
      Env: [],
      OpenStdin: false,
      Hostname: '',
      Memory: 0,
    });
    expect(hostConfig).toMatchObject({ NetworkMode: 'bridge', Binds: [], AutoRemove: false });
  });

  test('options stop at the image: what follows is the command', () => {
    const { config } = parsed(['-i', 'base', 'sh', '-c', 'echo', '--rm', '-h']).request;
    expect(config.Cmd).toEqual(['sh', '-c', 'echo', '--rm', '-h']);
    expect(config).toMatchObject({ OpenStdin: true, StdinOnce: true, AttachStdin: true });
  });

  test.each<[string[], object]>([
    [['-m', '64m'], { Memory: 64 << 20 }],
    [['-m64MB'], { Memory: 64 << 20 }],
    [['--memory=1.5g'], { Memory: 1.5 * 1024 ** 3 }],
    [['-m', '524288'], { Memory: 524288 }],
    [['-m', '512k', '--memory-swap', '-1'], { Memory: 524288, MemorySwap: -1 }],
    [['-m', '64m', '--memory-swap', '128m'], { MemorySwap: 128 << 20 }],
    [['-c', '512'], { CpuShares: 512 }],
    [['--cpuset-cpus', '0-1,3'], { Cpuset: '0-1,3' }],
    [['-u', 'daemon:1'], { User: 'daemon:1' }],
    [['-w', '/srv'], { WorkingDir: '/srv' }],
    [['-h', 'web'], { Hostname: 'web', Domainname: '' }],
    [['--hostname', 'web.example.com'], { Hostname: 'web', Domainname: 'example.com' }],
    [['--entrypoint', 'sh'], { Entrypoint: ['sh'] }],
    [['--entrypoint', ''], { Entrypoint: [] }],
    [['--entrypoint='], { Entrypoint: [] }],
  ])('%j', (line, config) => {
    expect(request(...line).config).toMatchObject(config);
  });

  test.each<[string[], object]>([
    [['-v', '/a:/b', '--volume', '/c:/d:ro'], { Binds: ['/a:/b', '/c:/d:ro'] }],
    [['--cpus', '1.5'], { NanoCpus: 1_500_000_000 }],
    [['--cpus', '.07'], { NanoCpus: 70_000_000 }],
    [['--cpus', '0.000000001'], { NanoCpus: 1 }],
    [['--pids-limit', '20'], { PidsLimit: 20 }],
    [['--pids-limit', '-1'], { PidsLimit: 0 }],
    [['--device-read-iops', '/dev/sda:100'], { BlkioDeviceReadIOps: [{ Path: '/dev/sda', Rate: 100 }] }],
    [['--device-write-iops', '/dev/sda:7'], { BlkioDeviceWriteIOps: [{ Path: '/dev/sda', Rate: 7 }] }],
    [['--net', 'none'], { NetworkMode: 'none' }],
    [['--dns', '8.8.8.8', '--dns', '::1'], { Dns: ['8.8.8.8', '::1'] }],
    [['--dns-search', 'example.com', '--dns-search', '.'], { DnsSearch: ['example.com', '.'] }],
    [['--cap-add', 'cap_net_admin', '--cap-add', 'ALL'], { CapAdd: ['NET_ADMIN', 'ALL'] }],
    [['--cap-drop', 'MKNOD'], { CapDrop: ['MKNOD'] }],
    [['--read-only', '--rm'], { ReadonlyRootfs: true, AutoRemove: true }],
  ])('%j', (line, hostConfig) => {
    expect(request(...line).hostConfig).toMatchObject(hostConfig);
  });

  test('a name may have the slash that listings have', () => {
    expect(request('--name', '/web_1').name).toBe('web_1');
  });
});

describe('the environment', () => {
  test('a name alone takes our value, and says nothing where we have none', () => {
    expect(request('-e', 'A=b=c', '-e', 'OURS', '-e', 'NOT_OURS', '-e', 'EMPTY').config.Env).toEqual([
      'A=b=c',
      'OURS=from here',
      'EMPTY=',
    ]);
  });

  test('a file has comments, blank lines and names alone; what is behind = is not touched', () => {
    expect(request('--env-file', '/env').config.Env).toEqual(['A=1', 'B=two words ', 'OURS=from here']);
  });

  test('-e has the last word over files', () => {
    expect(request('-e', 'A=2', '--env-file', '/env').config.Env).toEqual([
      'A=2',
      'B=two words ',
      'OURS=from here',
    ]);
  });

  test.each([
    [['--env-file', '/blank'], 'expected line 1 of /blank to be NAME=VALUE or NAME, got "A B=1"'],
    [['--env-file', '/nameless'], 'expected line 2 of /nameless to be NAME=VALUE or NAME, got "=2"'],
    [
      ['--env-file', '/none'],
      'expected the --env-file option to be a file that can be read, got "/none": ENOENT /none',
    ],
    [['-e', '=x'], 'expected the --env option to be NAME=VALUE or NAME, got "=x"'],
  ])('%j is refused', (line, message) => {
    expect(refusal(...line)).toBe(message);
  });
});

describe('what is refused', () => {
  test('every refusal says what was expected and what came', () => {
    expect(refusal('-m', 'much')).toBe(
      'expected the --memory option to be a size such as 64m (b, k, m or g), got "much"',
    );
  });

  test.each([
    ['-m', ''],
    ['-m', '-5m'],
    ['-m', '1x'],
    ['-m', '99999999p'],
    ['--memory-swap', '128m'],
    ['-c', '-1'],
    ['-c', '1.5'],
    ['--cpus', 'two'],
    ['--cpus', '.'],
    ['--cpus', '-1'],
    ['--cpus', '1.0000000001'],
    ['--cpuset-cpus', '3-1'],
    ['--cpuset-cpus', '0,'],
    ['--pids-limit', '-2'],
    ['--device-read-iops', '/dev/sda'],
    ['--device-read-iops', '/dev/sda:0'],
    ['--device-read-iops', '/etc/passwd:5'],
    ['-v', '/only'],
    ['-v', 'data:/data'],
    ['-v', './data:/data'],
    ['-v', '/a:b'],
    ['-v', '/a:/'],
    ['-v', '/a:/b/../'],
    ['-v', '/a:/b:rx'],
    ['-v', '/a:/b:ro:z'],
    ['-w', 'srv'],
    ['-u', ''],
    ['-u', 'a:'],
    ['-u', 'a b'],
    ['-h', 'a b'],
    ['-h', '-a'],
    ['-h', 'a\nb'],
    ['-h', 'x'.repeat(65)],
    ['--net', 'bridge0'],
    ['--dns', '8.8.8'],
    ['--dns', '8.8.8.256'],
    ['--dns', 'dns.example.com'],
    ['--dns', '::g'],
    ['--dns-search', 'a b'],
    ['--dns-search', '8.8.8.8'],
    ['--cap-add', 'EVERYTHING'],
    ['--name', 'x'],
    ['--name', 'a/b'],
    ['--name', '../etc'],
  ])('%s %j', (option, text) => {
    expect(refusal(option, text)).toMatch(/^expected the --[a-z-]+ option to be .*, got "/);
  });

  test('two mounts on one destination', () => {
    expect(refusal('-v', '/a:/b', '-v', '/c:/b/')).toContain('given once for each DST');
  });

  test('swap below memory', () => {
    expect(refusal('-m', '64m', '--memory-swap', '32m')).toContain('memory and swap together');
  });

  test('a host name of its own in the network of the host', () => {
    expect(refusal('--net', 'host', '-h', 'web')).toBe('cannot use --hostname together with --net host');
  });
});

describe("ts-dock's own options", () => {
  test('are collected, and paths are made absolute', () => {
    const { options } = parsed([
      '--step',
      '--break',
      'start.*',
      '--break',
      'init.pivot:after',
      '--fail',
      'launch.clone=kill',
      '--dump',
      'd',
      '--trace',
      'base',
    ]);
    expect(watchingOf(options)).toEqual({
      step: true,
      breakpoints: ['start.*', 'init.pivot:after'],
      failpoints: ['launch.clone=kill'],
      dump: `${process.cwd()}/d`,
      trace: true,
      commandFile: undefined,
      showEnv: false,
      stops: true,
    });
  });

  test('nothing asked for: nothing stops', () => {
    expect(watchingOf({}).stops).toBe(false);
  });

  test('the root: option, environment, default', () => {
    expect(rootOf('/a/../b/', { TS_DOCK_ROOT: '/c' })).toBe('/b');
    expect(rootOf(undefined, { TS_DOCK_ROOT: '/c/' })).toBe('/c');
    expect(rootOf(undefined, {})).toBe('/var/lib/ts-dock');
  });

  test.each(['', '/', '/a b', '/a,b', '/a:b'])('the root %j is refused', (root) => {
    expect(() => rootOf(root, {})).toThrow(TsDockError);
  });
});
