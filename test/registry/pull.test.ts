/** `pull`, `push` and `run` of what is not here, with Debian's docker-registry and what skopeo put there. */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { pullFlow } from '../../src/flows/pull.ts';
import { launch, sandbox, type Done, type RunOptions, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import {
  digestOf,
  HTPASSWD,
  helloLayer,
  imageOf,
  layerOf,
  publish,
  skipUnlessRegistry,
  skopeo,
  startProxy,
  startRegistry,
  type MadeImage,
  type Proxy,
  type RealRegistry,
} from './rig.ts';

describe.skipIf(skipUnlessRoot() || skipUnlessRegistry())('a pull', () => {
  let folder: string;
  let registry: RealRegistry;
  let proxy: Proxy;
  let box: Sandbox;
  let hello: MadeImage;
  /** Wants to know who asks. */
  let closed: RealRegistry;
  const name = (path: string): string => `${proxy.host}/${path}`;
  const run = (args: readonly string[], options: RunOptions = {}): Promise<Done> =>
    box.run(args, { ...options, env: { TS_DOCK_REGISTRY_BACKOFF_SECONDS: '0.01', ...options.env } });
  const hexes = ({ layers }: MadeImage): string[] =>
    layers.map(({ packed }) => digestOf(packed).slice('sha256:'.length));
  const labels = (image: MadeImage): string[] => hexes(image).map((hex) => hex.slice(0, 12));
  const fetched = (image: MadeImage): number[] =>
    hexes(image).map((hex) => proxy.count(new RegExp(`GET .*/blobs/sha256:${hex}`)));
  const downloads = (): string[] => {
    const place = join(box.root, 'downloads');
    return existsSync(place) ? readdirSync(place).sort() : [];
  };
  const forget = async (...names: string[]): Promise<void> => {
    expect(await box.run(['rmi', ...names])).toMatchObject({ code: 0 });
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ts-dock-pulls-'));
    registry = await startRegistry(folder);
    proxy = await startProxy(registry.host);
    hello = imageOf([
      helloLayer('hello'),
      layerOf({ 'etc/one': '1' }, 'none'),
      layerOf({ 'etc/two': '2' }, 'zstd'),
    ]);
    await publish(hello, `${registry.host}/x/hello:1`);
    await publish(hello, `${registry.host}/x/hello:latest`);
    closed = await startRegistry(folder, { htpasswd: HTPASSWD });
    const env = { Env: ['PATH=/bin', 'NAME=VALUE-OF-A-VARIABLE'] };
    await publish(
      imageOf([layerOf({ c: 'closed' })], env),
      `${closed.host}/x/closed:latest`,
      '--dest-creds',
      'anna:secret',
    );
    box = await sandbox({ manual: true });
  });
  afterEach(() => {
    proxy.meddle = () => false;
    proxy.seen.length = 0;
  });
  afterAll(async () => {
    await box.dispose();
    await proxy.close();
    await registry.close();
    await closed.close();
    rmSync(folder, { recursive: true });
  });

  it("says what Docker says, keeps the image under Docker's id, and leaves no downloads", async () => {
    const done = await run(['pull', name('x/hello')]);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    const said = done.stdout.trimEnd().split('\n');
    expect(said.slice(0, 5)).toEqual([
      'Using default tag: latest',
      'latest: Pulling from x/hello',
      ...labels(hello).map((label) => `${label}: Pulling fs layer`),
    ]);
    for (const label of labels(hello)) {
      expect(said).toContain(`${label}: Download complete`);
      expect(said).toContain(`${label}: Pull complete`);
    }
    expect(said.slice(-3)).toEqual([
      `Digest: ${digestOf(hello.manifest)}`,
      `Status: Downloaded newer image for ${name('x/hello')}:latest`,
      `${name('x/hello')}:latest`,
    ]);
    expect(readFileSync(join(box.root, 'graph', hello.id, 'config'), 'utf8')).toBe(hello.config);
    expect(downloads()).toEqual([]);
    expect(await run(['run', '--rm', '--net', 'none', name('x/hello')])).toMatchObject({
      code: 0,
      stdout: 'hello\n',
    });
  });

  it('of what is here fetches no layer again, and says so', async () => {
    const done = await run(['pull', name('x/hello')]);
    expect(done.code).toBe(0);
    for (const label of labels(hello)) expect(done.stdout).toContain(`${label}: Already exists`);
    expect(done.stdout).toContain(`Status: Image is up to date for ${name('x/hello')}:latest`);
    expect(fetched(hello)).toEqual([0, 0, 0]);
  });

  it('-q says the name alone', async () => {
    expect(await run(['pull', '-q', name('x/hello:1')])).toMatchObject({
      code: 0,
      stdout: `${name('x/hello:1')}\n`,
      stderr: '',
    });
    await forget(name('x/hello:1'), name('x/hello'));
  });

  it('by digest is found again by it', async () => {
    const exact = `${name('x/hello')}@${digestOf(hello.manifest)}`;
    const done = await run(['pull', exact]);
    expect(done.stdout.trimEnd().split('\n').at(-1)).toBe(exact);
    expect(await run(['run', '--rm', '--net', 'none', '--pull', 'never', exact])).toMatchObject({
      stdout: 'hello\n',
    });
    await forget(exact);
  });

  it('comes by itself where run has no such image, and says so on standard error', async () => {
    const done = await run(['run', '--rm', '--net', 'none', name('x/hello')]);
    expect(done).toMatchObject({ code: 0, stdout: 'hello\n' });
    const said = done.stderr.split('\n');
    expect(said[0]).toBe(`Unable to find image '${name('x/hello')}:latest' locally`);
    expect(said).toContain(`Status: Downloaded newer image for ${name('x/hello')}:latest`);
    proxy.seen.length = 0;
    expect(await run(['run', '--rm', '--net', 'none', name('x/hello')])).toMatchObject({
      stdout: 'hello\n',
      stderr: '',
    });
    expect(proxy.seen).toEqual([]);
    const again = await run(['run', '--rm', '--net', 'none', '--pull', 'always', name('x/hello')]);
    expect(again.stderr).toContain('Status: Image is up to date');
    await forget(name('x/hello'));
    const never = await run(['run', '--rm', '--net', 'none', '--pull', 'never', name('x/hello')]);
    expect(never).toMatchObject({ code: 125, stdout: '' });
    expect(never.stderr).toContain('No such image');
    expect(await run(['create', '--pull', 'sometimes', 'base'])).toMatchObject({ code: 125 });
  });

  it('of a name that is not there ends run with 125, and begins nothing', async () => {
    const done = await run(['run', '--rm', name('x/nobody')]);
    expect(done).toMatchObject({ code: 125, stdout: '' });
    expect(done.stderr).toContain(`cannot fetch the manifest of ${name('x/nobody')}:latest`);
    expect(done.stderr).toContain('in step pull.fetch-manifest');
  });

  it('that is killed is gone on with: what was whole is not fetched, what was begun goes on', async () => {
    const big = imageOf([layerOf({ a: randomBytes(3_000_000) }), layerOf({ b: 'b' }), layerOf({ c: 'c' })]);
    await publish(big, `${registry.host}/x/big:latest`);
    const [first = ''] = hexes(big);
    let half: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => (half = resolve));
    proxy.meddle = (request, response) => {
      if (request.method !== 'GET' || !(request.url ?? '').endsWith(first)) return false;
      const bytes = big.layers[0]?.packed ?? Buffer.alloc(0);
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 1_000_000));
      half();
      return true;
    };
    const live = box.start(['pull', name('x/big')]);
    await reached;
    const part = join(box.root, 'downloads', `${first}.part`);
    await live.until(
      new RegExp(
        `${labels(big)[1] ?? ''}: Download complete[^]*${labels(big)[2] ?? ''}: Download complete|${labels(big)[2] ?? ''}: Download complete[^]*${labels(big)[1] ?? ''}: Download complete`,
      ),
    );
    while (statSync(part).size < 1_000_000) await new Promise((resolve) => setTimeout(resolve, 5));
    live.child.kill('SIGKILL');
    await live.done;
    expect(downloads().filter((file) => !file.endsWith('.lock'))).toEqual(
      [`${first}.part`, ...hexes(big).slice(1)].sort(),
    );
    proxy.meddle = () => false;
    proxy.seen.length = 0;

    const done = await run(['pull', name('x/big')]);
    expect(done.code).toBe(0);
    expect(fetched(big)).toEqual([1, 0, 0]);
    const blobs = proxy.seen.filter(({ url }) => url.endsWith(first));
    expect(blobs.map(({ headers }) => headers.range)).toEqual(['bytes=1000000-']);
    expect(downloads()).toEqual([]);
    await forget(name('x/big'));
  });

  it('shares its work with another of the same image at once', async () => {
    const both = imageOf([layerOf({ p: randomBytes(500_000) }), layerOf({ q: 'q' }), layerOf({ r: 'r' })]);
    await publish(both, `${registry.host}/x/both:latest`);
    // The first may go on when the second has said that it waits.
    let release: () => void = () => undefined;
    const waited = new Promise<void>((resolve) => (release = resolve));
    let begun: () => void = () => undefined;
    const fetching = new Promise<void>((resolve) => (begun = resolve));
    proxy.meddle = (request, response) => {
      const at = hexes(both).findIndex((hex) => (request.url ?? '').endsWith(hex));
      if (request.method !== 'GET' || at < 0) return false;
      begun();
      void waited.then(() => {
        const bytes = both.layers[at]?.packed ?? Buffer.alloc(0);
        response.writeHead(200, { 'content-length': bytes.length });
        response.end(bytes);
      });
      return true;
    };
    const one = box.start(['pull', name('x/both')]);
    await fetching;
    const two = box.start(['pull', name('x/both')]);
    await two.until(/Waiting for another pull \(process \d+\)/);
    release();
    const [first, second] = await Promise.all([one.done, two.done]);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(second).toMatchObject({ code: 0, stderr: '' });
    expect(second.stdout).toContain(`process ${one.pid})`);
    for (const label of labels(both)) expect(second.stdout).toContain(`${label}: Already exists`);
    expect(fetched(both)).toEqual([1, 1, 1]);
    expect(downloads()).toEqual([]);
    await forget(name('x/both'));
  });

  it('goes on in the place of another that is killed while it waits', async () => {
    const heir = imageOf([layerOf({ s: randomBytes(400_000) }, 'none'), layerOf({ u: 'u' })]);
    await publish(heir, `${registry.host}/x/heir:latest`);
    const [first = ''] = hexes(heir);
    proxy.meddle = (request, response) => {
      if (!(request.url ?? '').endsWith(first) || request.headers.range !== undefined) return false;
      response.writeHead(200, { 'content-length': heir.layers[0]?.packed.length ?? 0 });
      response.write(heir.layers[0]?.packed.subarray(0, 100_000));
      return true;
    };
    const one = box.start(['pull', name('x/heir')]);
    await one.until(new RegExp(`${labels(heir)[1] ?? ''}: Download complete`));
    const part = join(box.root, 'downloads', `${first}.part`);
    while (!existsSync(part) || statSync(part).size < 100_000)
      await new Promise((resolve) => setTimeout(resolve, 5));
    const two = box.start(['pull', name('x/heir')]);
    await two.until(/Waiting for another pull/);
    one.child.kill('SIGKILL');
    await one.done;
    expect(await two.done).toMatchObject({ code: 0, stderr: '' });
    expect(fetched(heir)).toEqual([2, 1]);
    expect(proxy.seen.filter(({ url }) => url.endsWith(first)).at(-1)?.headers.range).toBe('bytes=100000-');
    // The second has undone what the first had begun: nobody else has to.
    expect(await run(['recover', '--json'])).toMatchObject({ stdout: '[]\n' });
    await forget(name('x/heir'));
  });

  it('leaves no password, and no value of a variable, in any file', async () => {
    const home = join(box.folder, 'home');
    const auth = Buffer.from('anna:secret').toString('base64');
    mkdirSync(home);
    writeFileSync(join(home, 'config.json'), JSON.stringify({ auths: { [closed.host]: { auth } } }));
    const files = [
      '--record',
      join(home, 'record'),
      '--dump',
      join(home, 'dump'),
      '--trace-file',
      join(home, 'trace'),
    ];
    const image = `${closed.host}/x/closed`;
    const done = await run(['pull', ...files, image], { env: { DOCKER_CONFIG: home } });
    expect(done).toMatchObject({ code: 0, stderr: '' });
    const journals = execFileSync(
      'grep',
      ['-rl', 'x/closed', join(box.root, 'journal'), join(home, 'record')],
      { encoding: 'utf8' },
    );
    expect(journals.trim().split('\n').length).toBeGreaterThan(0);
    rmSync(join(home, 'config.json'));
    for (const needle of ['secret', auth, 'VALUE-OF-A-VARIABLE']) {
      const places = [join(box.root, 'journal'), join(box.root, 'downloads'), home];
      const { status, stdout } = spawnSync('grep', ['-rlF', needle, ...places], { encoding: 'utf8' });
      expect(`${needle} ${status}: ${stdout}`).toBe(`${needle} 1: `);
    }
    const wrong = await run(['pull', image], { env: { DOCKER_CONFIG: home } });
    expect(wrong.code).toBe(125);
    expect(wrong.stderr).toContain('does not let us (401)');
    await forget(image);
  });

  it('that is asked to end undoes all but its downloads', async () => {
    let begun: () => void = () => undefined;
    const fetching = new Promise<void>((resolve) => (begun = resolve));
    proxy.meddle = (request) => {
      if (!(request.url ?? '').endsWith(hexes(hello)[2] ?? '')) return false;
      begun();
      return true;
    };
    const before = treeOf(box.root);
    const live = box.start(['pull', name('x/hello')]);
    await fetching;
    live.child.kill('SIGINT');
    expect(await live.done).toMatchObject({ code: 130, stderr: '' });
    expect(treeOf(box.root)).toEqual(before);
    expect(downloads().filter((file) => file.endsWith('.lock'))).toEqual([]);
  });

  it('can be stepped through, and quitting undoes it', async () => {
    const before = treeOf(box.root);
    const done = await run(['pull', '--break', 'pull.tag', name('x/hello')], { stdin: 'q\n' });
    expect(done.code).toBe(0);
    expect(done.stderr).toContain('pull.tag');
    expect(treeOf(box.root)).toEqual(before);
    const stepped = await run(
      ['run', '--rm', '--net', 'none', '--break', 'pull.plan-layers:after', name('x/hello')],
      {
        stdin: 'k\nc\n',
      },
    );
    expect(stepped).toMatchObject({ code: 0, stdout: 'hello\n' });
    expect(stepped.stderr).toContain('pull.plan-layers');
    expect(await run(['run', '--break', 'pull.nosuch', name('x/hello')])).toMatchObject({ code: 125 });
    await forget(name('x/hello'));
  });

  it('shows its requests as calls', async () => {
    const done = await run(['pull', '--break', 'pull.fetch-manifest:after', name('x/hello')], {
      stdin: 'k\nq\n',
    });
    expect(done.stderr).toContain(`GET(http://${proxy.host}/v2/x/hello/manifests/latest) = 200`);
  });

  it('that fails or is killed anywhere leaves the root as it was', { timeout: 60_000 }, async () => {
    const small = imageOf([layerOf({ one: '1' }), layerOf({ two: '2' })]);
    await publish(small, `${registry.host}/x/small:latest`);
    await run(['recover']);
    const before = treeOf(box.root);
    const wrong: string[] = [];
    for (const { id } of pullFlow) {
      for (const when of ['before', 'after']) {
        for (const action of ['error', 'kill']) {
          const point = `${id}:${when}=${action}`;
          const broken = await run(['pull', '--fail', point, name('x/small')]);
          if (action === 'kill' ? broken.signal !== 'SIGKILL' : broken.code !== 125)
            wrong.push(`${point} ended with ${broken.code ?? broken.signal}: ${broken.stderr}`);
          if (action === 'kill')
            expect(JSON.parse((await run(['recover', '--json'])).stdout)).toHaveLength(1);
          const after = treeOf(box.root);
          if (JSON.stringify(after) !== JSON.stringify(before))
            wrong.push(`${point} left ${after.filter((path) => !before.includes(path)).join(' ')}`);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(await run(['pull', name('x/small')])).toMatchObject({ code: 0 });
    expect(downloads()).toEqual([]);
    await forget(name('x/small'));
  });

  it('whose layer is not what the configuration says is refused, and fetched anew the next time', async () => {
    const good = layerOf({ one: '1' });
    const lie = { ...good, tar: layerOf({ two: '2' }).tar };
    await publish(imageOf([lie]), `${registry.host}/x/lie:latest`);
    const before = treeOf(box.root);
    const done = await run(['pull', name('x/lie')]);
    expect(done.code).toBe(125);
    expect(done.stderr).toMatch(/its digest is sha256:[0-9a-f]{12}…, not sha256:/);
    expect(done.stderr).toContain('in step pull.unpack-layers');
    expect(treeOf(box.root)).toEqual(before);
    expect(downloads().filter((file) => hexes(imageOf([lie])).some((hex) => file.startsWith(hex)))).toEqual(
      [],
    );
  });

  it('whose layer leads out of its folder is refused, and nothing is outside', async () => {
    const victim = join(box.folder, 'victim');
    mkdirSync(victim);
    const evil = execFileSync('tar', [
      '-c',
      '-P',
      '--transform',
      `s,^.*passwd$,../../../../../../../..${victim}/x,`,
      '/etc/passwd',
    ]);
    await publish(
      imageOf([{ tar: evil, packed: evil, mediaType: 'application/vnd.oci.image.layer.v1.tar' }]),
      `${registry.host}/x/evil:latest`,
    );
    const before = treeOf(box.root);
    const done = await run(['pull', name('x/evil')]);
    expect(done.code).toBe(125);
    expect(done.stderr).toMatch(/\.\./);
    expect(readdirSync(victim)).toEqual([]);
    expect(treeOf(box.root)).toEqual(before);
    // The naive way does break out.
    const naive = join(box.folder, 'a/b/c');
    mkdirSync(naive, { recursive: true });
    execFileSync('tar', ['-x', '-P', '-C', naive], { input: evil });
    expect(readdirSync(victim)).toEqual(['x']);
    rmSync(victim, { recursive: true });
  });

  it('of an index takes the image for this machine, or the one that is asked for', async () => {
    const ours = imageOf([helloLayer('ours')]);
    const theirs = imageOf([layerOf({ t: 't' })], {}, { architecture: 's390x', os: 'linux' });
    await publish(ours, `${registry.host}/x/many:a`);
    await publish(theirs, `${registry.host}/x/many:b`);
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const member = (image: MadeImage, platform: unknown): unknown => ({
      mediaType,
      digest: digestOf(image.manifest),
      size: Buffer.byteLength(image.manifest),
      platform,
    });
    const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        member(theirs, { os: 'linux', architecture: 's390x' }),
        member(ours, { os: 'linux', architecture }),
      ],
    });
    const put = await fetch(`http://${registry.host}/v2/x/many/manifests/latest`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.oci.image.index.v1+json', connection: 'close' },
      body: index,
    });
    expect(put.status).toBe(201);
    const done = await run(['pull', name('x/many')]);
    expect(done.stdout).toContain(`Digest: ${digestOf(index)}`);
    expect(await run(['run', '--rm', '--net', 'none', name('x/many')])).toMatchObject({ stdout: 'ours\n' });
    expect(await run(['pull', '--platform', 'linux/s390x', name('x/many')])).toMatchObject({ code: 0 });
    expect(existsSync(join(box.root, 'graph', theirs.id))).toBe(true);
    const none = await run(['pull', '--platform', 'linux/riscv64', name('x/many')]);
    expect(none.code).toBe(125);
    expect(none.stderr).toContain(`there is none for linux/riscv64`);
    expect(none.stderr).toContain('s390x');
    const warned = await run(['pull', name('x/many:b')]);
    expect(warned).toMatchObject({ code: 0 });
    expect(warned.stderr).toContain('is for linux/s390x');
    await forget(name('x/many'), name('x/many:b'), ours.id);
  });

  it('in the clear from what is not loopback is refused, unless it is named', async () => {
    const mapped = `[::ffff:7f00:1]:${proxy.port}/x/hello`;
    const refused = await run(['pull', mapped]);
    expect(refused.code).toBe(125);
    expect(refused.stderr).toContain('speaks no TLS');
    expect(refused.stderr).toContain('--insecure-registry');
    expect(proxy.seen).toEqual([]);
    for (const [args, env] of [
      [['--insecure-registry', `[::ffff:7f00:1]:${proxy.port}`], {}],
      [[], { TS_DOCK_INSECURE_REGISTRIES: '10.0.0.0/8,::ffff:7f00:0/112' }],
    ] as const)
      expect(await run(['pull', ...args, mapped], { env })).toMatchObject({ code: 0 });
    await forget(mapped);
  });

  it('of a large layer needs no more memory than of a small one', { timeout: 60_000 }, async () => {
    const sized = (mebibytes: number): MadeImage =>
      imageOf([layerOf({ big: randomBytes(mebibytes * 1024 * 1024) }, 'none')]);
    await publish(sized(16), `${registry.host}/x/little:latest`);
    await publish(sized(96), `${registry.host}/x/large:latest`);
    const peak = async (image: string): Promise<number> => {
      const script = `import resource,subprocess,sys
subprocess.run(sys.argv[1:],check=True)
print("peak",resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)`;
      const bundle = join(import.meta.dirname, '../../dist/ts-dock.cjs');
      const args = ['-c', script, process.execPath, bundle, '--root', box.root, 'pull', '-q', image];
      const { stdout } = await launch('python3', args, { timeout: 50_000 }).done;
      return Number(/peak (\d+)/.exec(stdout)?.[1]);
    };
    const little = await peak(name('x/little'));
    const large = await peak(name('x/large'));
    expect(little).toBeGreaterThan(20_000);
    // KiB; the layers differ by 81 920.
    expect(large - little).toBeLessThan(40_000);
    await forget(name('x/large'), name('x/little'));
  });

  describe('and a push', () => {
    it('give back what skopeo and we ourselves know by the same id', async () => {
      expect(await run(['pull', name('x/hello')])).toMatchObject({ code: 0 });
      expect(await run(['tag', name('x/hello'), name('y/again:2')])).toMatchObject({ code: 0 });
      const done = await run(['push', name('y/again:2')]);
      expect(done).toMatchObject({ code: 0, stderr: '' });
      const said = done.stdout.trimEnd().split('\n');
      expect(said[0]).toBe(`The push refers to repository [${name('y/again')}]`);
      // The first has come as it goes; the other two came unpacked and with zstd.
      expect(said.filter((line) => line.endsWith(': Pushed'))).toHaveLength(3);
      const [, digest = ''] = /^2: digest: (sha256:[0-9a-f]{64}) size: \d+$/.exec(said.at(-1) ?? '') ?? [];
      const manifest = await skopeo(
        'inspect',
        '--raw',
        '--tls-verify=false',
        `docker://${registry.host}/y/again:2`,
      );
      expect(digestOf(manifest)).toBe(digest);
      expect((JSON.parse(manifest) as { config: { digest: string } }).config.digest).toBe(
        `sha256:${hello.id}`,
      );
      // skopeo verifies each blob, and each layer's content, where it copies to a docker archive.
      const archive = join(folder, 'again.tar');
      await skopeo(
        'copy',
        '-q',
        '--src-tls-verify=false',
        `docker://${registry.host}/y/again:2`,
        `docker-archive:${archive}`,
      );
      expect(execFileSync('tar', ['-tf', archive], { encoding: 'utf8' })).toContain(`${hello.id}.json`);
      await forget(name('y/again:2'), name('x/hello'));
      expect(await run(['run', '--rm', '--net', 'none', name('y/again:2')])).toMatchObject({
        stdout: 'hello\n',
      });
      expect(existsSync(join(box.root, 'graph', hello.id, 'config'))).toBe(true);
    });

    it('that is made again sends no layer', async () => {
      const done = await run(['push', name('y/again:2')]);
      expect(done.stdout.match(/Layer already exists/g)).toHaveLength(3);
      expect(proxy.count(/^PUT .*uploads/)).toBe(0);
      expect(downloads().filter((file) => file.startsWith('push-'))).toEqual([]);
      await forget(name('y/again:2'));
    });

    it('work for base, which no registry has made', async () => {
      expect(await run(['tag', 'base', name('y/base:1')])).toMatchObject({ code: 0 });
      expect(await run(['push', '-q', name('y/base:1')])).toMatchObject({
        code: 0,
        stdout: `${name('y/base:1')}\n`,
      });
      await forget(name('y/base:1'));
      expect(await run(['run', '--rm', '--net', 'none', name('y/base:1'), 'echo', 'there'])).toMatchObject({
        stdout: 'there\n',
      });
      await forget(name('y/base:1'));
    });

    it('goes on after a connection that breaks, and after a server that is not well', async () => {
      expect(await run(['pull', name('x/hello')])).toMatchObject({ code: 0 });
      expect(await run(['tag', name('x/hello'), name('y/shaky')])).toMatchObject({ code: 0 });
      let broke = 0;
      proxy.meddle = (request, response) => {
        if (request.method === 'PUT' && (request.url ?? '').includes('uploads') && broke < 2) {
          broke += 1;
          request.once('data', () => request.destroy());
          return true;
        }
        if (request.method === 'POST' && broke < 3) {
          broke += 1;
          response.writeHead(503);
          response.end();
          return true;
        }
        return false;
      };
      expect(await run(['push', name('y/shaky')])).toMatchObject({ code: 0, stderr: '' });
      expect(broke).toBeGreaterThan(1);
      await forget(name('y/shaky'), name('x/hello'));
    });

    it.each([
      [['push', 'x@sha256:' + '0'.repeat(64)], /a digest is what a push has as its answer/],
      [['push', 'nobody/has/this:1'], /No such image/],
    ])('%j is refused', async (args, words) => {
      const done = await run(args);
      expect(done).toMatchObject({ code: 125 });
      expect(done.stderr).toMatch(words);
    });
  });
});

/** All that lies in a root, with contents where they are small, but for journals, downloads, events and the database. */
function treeOf(root: string): string[] {
  const found: string[] = [];
  const walk = (path: string): void => {
    for (const entry of readdirSync(join(root, path)).sort()) {
      const inner = path === '' ? entry : `${path}/${entry}`;
      if (/^(journal|downloads|lock|events\.jsonl)/.test(inner)) continue;
      // No names, and no file for them: that is the same.
      if (inner === 'repositories-overlay' && /\{\}\}$/.test(readFileSync(join(root, inner), 'utf8')))
        continue;
      const stat = lstatSync(join(root, inner));
      const is = stat.isDirectory()
        ? 'folder'
        : stat.isSymbolicLink()
          ? `-> ${readlinkSync(join(root, inner))}`
          : 'file';
      const content = is === 'file' && stat.size < 100_000 ? digestOf(readFileSync(join(root, inner))) : '';
      found.push(`${inner} ${is} ${content}`);
      if (is === 'folder') walk(inner);
    }
  };
  walk('');
  return found;
}
