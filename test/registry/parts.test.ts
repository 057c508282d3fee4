/** What needs no network: names, challenges, hosts that may be plain, platforms, manifests, credentials. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TsDockError } from '../../src/engine/failure.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { callText } from '../../src/kernel/calls.ts';
import { portable } from '../../src/observe/portable.ts';
import { parseChallenges } from '../../src/registry/challenge.ts';
import { credentialsFor } from '../../src/registry/credentials.ts';
import { mayBePlain, parseInsecure } from '../../src/registry/insecure.ts';
import { choose, parseManifest, type ImageIndex } from '../../src/registry/manifest.ts';
import { imageName } from '../../src/registry/name.ts';
import { distance, ownPlatform, parsePlatform, platformText } from '../../src/registry/platform.ts';
import { settingsOf } from '../../src/registry/settings.ts';

const refused = (act: () => unknown): TsDockError => {
  try {
    act();
  } catch (error) {
    if (error instanceof TsDockError) return error;
    throw error;
  }
  throw new Error('was not refused');
};

describe('a name', () => {
  it.each([
    ['debian', 'registry-1.docker.io', 'library/debian', 'latest', 'docker.io/library/debian:latest'],
    ['me/app:1', 'registry-1.docker.io', 'me/app', '1', 'docker.io/me/app:1'],
    ['localhost:5000/x/y', 'localhost:5000', 'x/y', 'latest', 'localhost:5000/x/y:latest'],
    [
      `reg.test/a@sha256:${'0'.repeat(64)}`,
      'reg.test',
      'a',
      `sha256:${'0'.repeat(64)}`,
      `reg.test/a@sha256:${'0'.repeat(64)}`,
    ],
  ])('%s is asked for at %s', (text, server, path, wanted, shown) => {
    expect(imageName(text)).toMatchObject({ server, path, wanted, shown });
  });

  it("has Docker's key for credentials", () => {
    expect(imageName('debian').credentialKey).toBe('https://index.docker.io/v1/');
    expect(imageName('localhost:5000/x').credentialKey).toBe('localhost:5000');
  });
});

describe('a challenge', () => {
  const read = (header: string): unknown =>
    parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

  it('may have commas and quotes within quotes', () => {
    expect(read('Bearer realm="https://a.test/t?x=1,2",service="s",scope="repository:a:pull,push"')).toEqual([
      ['bearer', { realm: 'https://a.test/t?x=1,2', service: 's', scope: 'repository:a:pull,push' }],
    ]);
    expect(read(String.raw`Basic realm="say \"x\", y", charset=UTF-8`)).toEqual([
      ['basic', { realm: 'say "x", y', charset: 'UTF-8' }],
    ]);
  });

  it('may be one of several', () => {
    expect(read('Basic realm="a", Bearer realm="b" , service = s,Negotiate')).toEqual([
      ['basic', { realm: 'a' }],
      ['bearer', { realm: 'b', service: 's' }],
      ['negotiate', {}],
    ]);
  });

  it.each(['', ',,,', '"', 'Bearer realm="no end', '=x', `Bearer realm="${'x'.repeat(9000)}"`])(
    'that is none (%#) ends the list',
    (header) => {
      expect(parseChallenges(header)).toEqual([]);
    },
  );
});

describe('a host', () => {
  const named = [
    parseInsecure('x', 'reg.test:5000'),
    parseInsecure('x', '10.1.0.0/16'),
    parseInsecure('x', 'fd00::/8'),
    parseInsecure('x', 'Plain.Test'),
  ];

  it.each([
    ['localhost', '5000', true],
    ['127.3.2.1', '', true],
    ['[::1]', '80', true],
    ['reg.test', '5000', true],
    ['plain.test', '', true],
    ['10.1.255.1', '9999', true],
    ['[fd12::1]', '', true],
    ['reg.test', '5001', false],
    ['reg.test', '', false],
    ['plain.test', '5000', false],
    ['10.2.0.1', '5000', false],
    ['128.0.0.1', '', false],
    ['localhost.evil.test', '', false],
    ['127.0.0.1.evil.test', '', false],
    ['[::2]', '', false],
  ])('%s with port "%s" may be spoken to in the clear: %s', (host, port, may) => {
    expect(mayBePlain(host, port, named)).toBe(may);
  });

  it.each(['http://a.test', 'a.test/x', '10.0.0.0/33', '300.0.0.0/8', '', 'a b', '1::2::3/4'])(
    'named as %s is refused',
    (text) => {
      expect(refused(() => parseInsecure('--insecure-registry', text)).reason).toBe('bad-usage');
    },
  );
});

describe('a platform', () => {
  it.each([
    ['linux/arm64', 'linux/arm64'],
    ['arm64/v8', 'linux/arm64'],
    ['aarch64', 'linux/arm64'],
    ['linux/arm', 'linux/arm/v7'],
    ['armel', 'linux/arm/v6'],
    ['x86_64', 'linux/amd64'],
    ['Linux/AMD64', 'linux/amd64'],
  ])('%s is %s', (text, wanted) => {
    expect(platformText(parsePlatform(text))).toBe(wanted);
  });

  it.each(['', 'linux', 'a/b/c/d', 'linux/', 'windows/amd64', 'linux/a b'])('%j is refused', (text) => {
    expect(refused(() => parsePlatform(text)).reason).toBe('bad-usage');
  });

  it('of this machine is one that images have', () => {
    expect(platformText(ownPlatform('x64'))).toBe('linux/amd64');
    expect(platformText(ownPlatform('arm'))).toBe('linux/arm/v7');
  });

  it('serves newer processors of its kind, and no older ones', () => {
    const arm = (variant: string): number | undefined =>
      distance(parsePlatform('arm/v7'), { os: 'linux', architecture: 'arm', variant });
    expect(['v7', 'v6', 'v5', 'v8', ''].map(arm)).toEqual([0, 1, 2, undefined, 0]);
    const amd = { os: 'linux', architecture: 'amd64', variant: 'v3' };
    expect(distance(parsePlatform('amd64'), amd)).toBeUndefined();
  });
});

const hex = (digit: string): string => `sha256:${digit.repeat(64)}`;
const OCI = 'application/vnd.oci.image';
const DOCKER = 'application/vnd.docker.distribution.manifest';
const config = { mediaType: `${OCI}.config.v1+json`, digest: hex('a'), size: 2 };
const layer = { mediaType: `${OCI}.layer.v1.tar+gzip`, digest: hex('b'), size: 3 };
const good = { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config, layers: [layer] };
const index = {
  schemaVersion: 2,
  mediaType: `${OCI}.index.v1+json`,
  manifests: [
    {
      mediaType: good.mediaType,
      digest: hex('1'),
      size: 1,
      platform: { os: 'unknown', architecture: 'unknown' },
    },
    {
      mediaType: good.mediaType,
      digest: hex('2'),
      size: 1,
      platform: { os: 'linux', architecture: 'arm', variant: 'v6' },
    },
    {
      mediaType: good.mediaType,
      digest: hex('3'),
      size: 1,
      platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
    },
    {
      mediaType: good.mediaType,
      digest: hex('4'),
      size: 1,
      platform: { os: 'linux', architecture: 'amd64' },
    },
  ],
};

describe('a manifest', () => {
  const read = (json: unknown, told = ''): unknown => parseManifest('it', JSON.stringify(json), told);

  it('is read by its header, or by its own word', () => {
    expect(read(good)).toMatchObject({ kind: 'image', layers: [layer] });
    expect(read({ ...good, mediaType: undefined }, good.mediaType)).toMatchObject({ kind: 'image' });
    expect(
      read({ ...good, mediaType: `${DOCKER}.v2+json` }, 'application/json; charset=utf-8'),
    ).toMatchObject({
      kind: 'image',
    });
    expect(read(index)).toMatchObject({ kind: 'index' });
  });

  it.each<[string, unknown, string, RegExp]>([
    ['of schema 1', { schemaVersion: 1, fsLayers: [] }, `${DOCKER}.v1+prettyjws`, /schema 1/],
    ['of two media types', good, `${OCI}.index.v1+json`, /is sent as .*index.* says that it is .*manifest/],
    ['with manifests and layers', { ...good, manifests: [] }, '', /CVE-2021-41190/],
    ['that is an index with layers', { ...index, layers: [] }, '', /CVE-2021-41190/],
    ['without a media type', { ...good, mediaType: undefined }, '', /nobody says/],
    ['of another kind', good, 'text/html', /media type is "text\/html"/],
    ['with a bad digest', { ...good, config: { ...config, digest: '../../x' } }, '', /digest of config/],
    [
      'with a digest of another kind',
      { ...good, config: { ...config, digest: 'md5:00' } },
      '',
      /digest of config/,
    ],
    ['with a negative size', { ...good, layers: [{ ...layer, size: -1 }] }, '', /size of layers\[0\]/],
    [
      'with a size that is no number',
      { ...good, layers: [{ ...layer, size: '3' }] },
      '',
      /size of layers\[0\]/,
    ],
    ['without layers', { ...good, layers: {} }, '', /layers is no list/],
    ['that is no object', [], '', /no object/],
    [
      'of an artifact',
      { ...good, config: { ...config, mediaType: 'application/x' } },
      '',
      /config is "application\/x"/,
    ],
    [
      'with a foreign layer',
      { ...good, layers: [{ ...layer, urls: ['https://a.test'] }] },
      '',
      /somewhere else/,
    ],
    [
      'with a layer that may not be passed on',
      { ...good, layers: [{ ...layer, mediaType: `${OCI}.layer.nondistributable.v1.tar` }] },
      '',
      /somewhere else/,
    ],
    [
      'with a layer of no known kind',
      { ...good, layers: [{ ...layer, mediaType: 'x/y' }] },
      '',
      /media type "x\/y"/,
    ],
  ])('%s is refused', (_what, json, told, words) => {
    const error = refused(() => read(json, told));
    expect(error.reason).toBe('bad-image');
    expect(error.message).toMatch(words);
  });

  it('that is not JSON is refused without being quoted', () => {
    expect(refused(() => parseManifest('it', '{"a', '')).message).toBe('cannot use it: it is not JSON');
  });

  it('is chosen for the platform', () => {
    const found = read(index) as ImageIndex;
    expect(choose('it', found, parsePlatform('arm/v7')).digest).toBe(hex('3'));
    expect(choose('it', found, parsePlatform('amd64')).digest).toBe(hex('4'));
    const error = refused(() => choose('it', found, parsePlatform('s390x')));
    expect(error).toMatchObject({
      reason: 'no-such-image',
      means: 'It is there for linux/arm/v6, linux/arm/v7, linux/amd64.',
    });
  });
});

describe('a setting', () => {
  it.each(['x', '-1', ' 5', '99999999'])('%j is refused by its name', (text) => {
    const error = refused(() => settingsOf({ TS_DOCK_PARALLEL_DOWNLOADS: text }, []));
    expect(error.message).toContain('TS_DOCK_PARALLEL_DOWNLOADS');
  });
});

describe('credentials', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ts-dock-credentials-'));
  const helper = '/usr/local/bin/docker-credential-tsdocktest';
  const sys = new Kernel();
  const settings = settingsOf({ HOME: folder, DOCKER_CONFIG: folder }, []);
  const write = (json: unknown): void =>
    writeFileSync(join(folder, 'config.json'), typeof json === 'string' ? json : JSON.stringify(json));
  const ask = (key: string): unknown => {
    const secret = credentialsFor(sys, settings, key);
    return secret === undefined ? undefined : [secret.kind, secret.reveal().user, secret.reveal().password];
  };
  const base64 = (text: string): string => Buffer.from(text).toString('base64');

  beforeAll(() => {
    mkdirSync('/usr/local/bin', { recursive: true });
    if (existsSync(helper)) throw new Error(`${helper} is there`);
    writeFileSync(
      helper,
      `#!/bin/sh
read key
case "$key" in
  pass.test) echo '{"ServerURL":"pass.test","Username":"anna","Secret":"from-helper"}' ;;
  token.test) echo '{"Username":"<token>","Secret":"identity-1"}' ;;
  none.test) echo 'credentials not found in native keychain'; exit 1 ;;
  bad.test) echo 'oops, my secret is hunter2'; exit 3 ;;
  *) echo 'hunter2' ;;
esac
`,
    );
    chmodSync(helper, 0o755);
  });
  afterAll(() => {
    rmSync(helper);
    rmSync(folder, { recursive: true });
  });

  it('are found under whatever the registry is called there', () => {
    write({
      auths: {
        'a.test': { auth: base64('anna:pa:ss') },
        'https://index.docker.io/v1/': { auth: base64('hub:x') },
        'https://b.test/v2/': { username: 'bert', password: 'y' },
        'c.test': { identitytoken: 'idt' },
        'd.test': {},
      },
    });
    expect(ask('a.test')).toEqual(['password', 'anna', 'pa:ss']);
    expect(ask('https://index.docker.io/v1/')).toEqual(['password', 'hub', 'x']);
    expect(ask('b.test')).toEqual(['password', 'bert', 'y']);
    expect(ask('c.test')).toEqual(['identity', '', 'idt']);
    expect(ask('d.test')).toBeUndefined();
    expect(ask('constructor')).toBeUndefined();
  });

  it('come from a helper, for one registry or for all', () => {
    write({ credHelpers: { 'pass.test': 'tsdocktest' }, auths: { 'x.test': { auth: base64('x:y') } } });
    expect(ask('pass.test')).toEqual(['password', 'anna', 'from-helper']);
    expect(ask('x.test')).toEqual(['password', 'x', 'y']);
    write({ credsStore: 'tsdocktest' });
    expect(ask('token.test')).toEqual(['identity', '', 'identity-1']);
    expect(ask('none.test')).toBeUndefined();
  });

  it('may lie behind a link', () => {
    writeFileSync(
      join(folder, 'real.json'),
      JSON.stringify({ auths: { 'a.test': { auth: base64('a:b') } } }),
    );
    rmSync(join(folder, 'config.json'), { force: true });
    symlinkSync('real.json', join(folder, 'config.json'));
    expect(ask('a.test')).toEqual(['password', 'a', 'b']);
    rmSync(join(folder, 'config.json'));
    mkdirSync(join(folder, 'config.json'));
    expect(refused(() => ask('a.test')).message).toContain('it is no file');
    rmSync(join(folder, 'config.json'), { recursive: true });
  });

  it.each([
    ['bad.test', /exit code 3/],
    ['other.test', /did not answer with JSON/],
  ])('of a helper that fails for %s are an error that does not quote it', (key, words) => {
    write({ credsStore: 'tsdocktest' });
    const error = refused(() => ask(key));
    expect(error.reason).toBe('bad-config');
    expect(error.message).toMatch(words);
    expect(inspect(error, { depth: 9 })).not.toContain('hunter2');
  });

  it.each(['../../../tmp/x', 'a b', '', 'nobody-has-this'])('of a helper called %j are not run', (name) => {
    write({ credHelpers: { 'a.test': name }, auths: { 'a.test': { auth: base64('a:b') } } });
    if (name === '') expect(ask('a.test')).toEqual(['password', 'a', 'b']);
    else expect(refused(() => ask('a.test')).reason).toBe('bad-config');
  });

  it('in a file that is damaged are an error that names the file and quotes nothing', () => {
    for (const text of [
      '{"auths":{"a.test":{"auth":"c2VjcmV0',
      JSON.stringify({ auths: { 'a.test': { auth: 'c2VjcmV0' } } }),
    ]) {
      write(text);
      const error = refused(() => ask('a.test'));
      expect(error.reason).toBe('bad-config');
      expect(error.message).toContain(join(folder, 'config.json'));
      expect(inspect(error, { depth: 9 })).not.toMatch(/secret|c2VjcmV0/);
    }
  });

  it('are nowhere to be seen: not in a value, not in a recorded call', () => {
    write({ credsStore: 'tsdocktest' });
    sys.taken();
    const secret = credentialsFor(sys, settings, 'pass.test');
    expect(sys.taken().map(callText).join('\n')).toContain('docker-credential-tsdocktest');
    for (const text of [
      inspect(secret, { depth: 9, showHidden: true }),
      JSON.stringify(secret),
      JSON.stringify(portable({ secret }, true)),
    ])
      expect(text).not.toMatch(/anna|from-helper/);
    credentialsFor(sys, settings, 'pass.test');
    expect(JSON.stringify(sys.taken())).not.toMatch(/anna|from-helper/);
  });
});
