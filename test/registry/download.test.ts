/** Blobs from registries that break off, lie, never end, or want to be asked again. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { TsDockError } from '../../src/engine/failure.ts';
import { callText } from '../../src/kernel/calls.ts';
import { HttpError } from '../../src/kernel/http.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { abreast } from '../../src/registry/abreast.ts';
import { Claims } from '../../src/registry/claims.ts';
import { download, sweep } from '../../src/registry/download.ts';
import type { RegistrySettings } from '../../src/registry/settings.ts';
import { skipUnlessRoot } from '../rig/skip.ts';
import { blobOf, ok, quick, serve, speakTo, temporary, type Answer, type Blob, type Server } from './fake.ts';

/** `/v2/` is there; the rest is the handler's. */
const registryOf =
  (answer: Answer): Answer =>
  (request, response, seen) => {
    if (request.url === '/v2/') ok(response);
    else answer(request, response, seen);
  };

interface Try {
  readonly server: Server;
  readonly folder: string;
  readonly sys: Kernel;
  readonly error: unknown;
  readonly blob: Blob;
}

async function attempt(
  answer: (blob: Blob) => Answer,
  {
    settings = quick(),
    folder = temporary(),
    blob = blobOf(),
    part,
  }: { settings?: RegistrySettings; folder?: string; blob?: Blob; part?: Buffer } = {},
): Promise<Try> {
  const server = await serve(registryOf(answer(blob)));
  const { sys, registry } = await speakTo(server, settings);
  if (part !== undefined) writeFileSync(join(folder, `${blob.hex}.part`), part);
  const error = await download(sys, registry, folder, blob.descriptor, () => undefined, undefined).then(
    () => undefined,
    (caught: unknown) => caught,
  );
  return { server, folder, sys, error, blob };
}

function expectWhole({ error, folder, blob }: Try): void {
  expect(error).toBeUndefined();
  expect(readdirSync(folder)).toEqual([blob.hex]);
  expect(readFileSync(join(folder, blob.hex)).equals(blob.bytes)).toBe(true);
}

function expectRefused(
  { error, folder }: Try,
  reason: string,
  words: RegExp,
  left: readonly string[] = [],
): void {
  expect(error).toBeInstanceOf(TsDockError);
  expect(error).toMatchObject({ reason });
  expect((error as Error).message).toMatch(words);
  expect(readdirSync(folder)).toEqual(left);
}

/** As a registry that can do parts. */
function give({ bytes }: Blob, request: IncomingMessage, response: ServerResponse, end = bytes.length): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const headers: Record<string, string> = { 'content-length': (bytes.length - from).toString(), etag: '"e"' };
  if (from > 0) headers['content-range'] = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
  response.writeHead(from > 0 ? 206 : 200, headers);
  if (end >= bytes.length) response.end(bytes.subarray(from));
  else response.write(bytes.subarray(from, Math.max(from, end)), () => response.destroy());
}

describe('a blob', () => {
  it('is fetched, and has its name only then', async () => {
    const done = await attempt((blob) => (request, response) => give(blob, request, response));
    expectWhole(done);
    expect(done.server.count(/blobs/)).toBe(1);
  });

  it('goes on where a connection broke, as often as it breaks', async () => {
    let cut = 0;
    const done = await attempt((blob) => (request, response) => {
      cut += 40_000;
      give(blob, request, response, cut);
    });
    expectWhole(done);
    expect(done.server.seen.slice(1).map(({ headers }) => headers.range)).toEqual([
      undefined,
      ...[40_000, 80_000, 120_000, 160_000].map((from) => `bytes=${from}-`),
    ]);
    expect(done.server.seen.at(-1)?.headers['if-range']).toBe('"e"');
  });

  it('that was begun by a pull that was killed is not fetched again', async () => {
    const blob = blobOf();
    const done = await attempt(() => (request, response) => give(blob, request, response), {
      blob,
      part: blob.bytes.subarray(0, 150_000),
    });
    expectWhole(done);
    expect(done.server.seen.at(-1)?.headers.range).toBe('bytes=150000-');
  });

  it('that was whole but had no name yet is not asked for', async () => {
    const blob = blobOf();
    const done = await attempt(() => (_request, response) => response.destroy(), { blob, part: blob.bytes });
    expectWhole(done);
    expect(done.server.count(/blobs/)).toBe(0);
  });

  it('whose beginning was torn by a power cut is fetched once more', async () => {
    const blob = blobOf();
    const part = Buffer.alloc(150_000);
    const done = await attempt(() => (request, response) => give(blob, request, response), { blob, part });
    expectWhole(done);
    expect(done.server.seen.slice(1).map(({ headers }) => headers.range)).toEqual([
      'bytes=150000-',
      undefined,
    ]);
  });

  it.each<[string, (blob: Blob, response: ServerResponse) => void]>([
    ['does not know of parts', (blob, response) => ok(response, blob.bytes)],
    [
      'gives another part',
      (blob, response) => {
        response.writeHead(206, { 'content-range': `bytes 7-${blob.bytes.length - 1}/${blob.bytes.length}` });
        response.end(blob.bytes.subarray(7));
      },
    ],
    [
      'finds the part impossible',
      (_blob, response) => {
        response.writeHead(416);
        response.end();
      },
    ],
  ])('is fetched from the start where the registry %s', async (_what, answer) => {
    const blob = blobOf();
    const done = await attempt(
      () => (request, response) => {
        if (request.headers.range === undefined) ok(response, blob.bytes);
        else answer(blob, response);
      },
      { blob, part: blob.bytes.subarray(0, 1000) },
    );
    expectWhole(done);
  });

  it('of no bytes is a blob', async () => {
    expectWhole(await attempt(() => (_request, response) => ok(response), { blob: blobOf(Buffer.alloc(0)) }));
  });
});

describe('a registry', () => {
  it('that gives other bytes is found out, and they are gone', async () => {
    const done = await attempt((blob) => (_request, response) => {
      const other = Buffer.from(blob.bytes);
      other[1000] = (other[1000] ?? 0) ^ 1;
      ok(response, other);
    });
    expectRefused(done, 'bad-image', /its digest is sha256:.*, and must be sha256:/);
    expect(done.server.count(/blobs/)).toBe(1);
  });

  it('that never ends is read no further than the manifest says', async () => {
    let sent = 0;
    const done = await attempt(() => (_request, response) => {
      const more = (): void => {
        sent += 65_536;
        if (!response.destroyed) response.write(Buffer.alloc(65_536), more);
      };
      more();
    });
    expectRefused(done, 'bad-image', /longer than the 200000 bytes/);
    // What the kernel had buffered on the way was not asked for by us.
    expect(sent).toBeLessThan(32 * 1024 * 1024);
  });

  it('that says another length than the manifest is not listened to', async () => {
    const done = await attempt(
      (blob) => (_request, response) => ok(response, Buffer.concat([blob.bytes, Buffer.from('x')])),
    );
    expectRefused(done, 'bad-image', /sends 200001 bytes, and 200000/);
  });

  it('that says less than it has, and closes, is asked again, and given up', async () => {
    const done = await attempt(() => (_request, response) => {
      response.writeHead(200, { 'content-length': '200000' });
      response.write('x', () => response.destroy());
    });
    expectRefused(done, 'registry', /cannot fetch layer/, [`${done.blob.hex}.part`]);
    expect(done.server.count(/blobs/)).toBe(4);
  });

  it('that sends in a coding is refused', async () => {
    const done = await attempt(
      (blob) => (_request, response) => ok(response, blob.bytes, { 'content-encoding': 'gzip' }),
    );
    expectRefused(done, 'bad-image', /coding "gzip"/);
  });

  it('whose manifest says too much is not asked', async () => {
    const { descriptor } = blobOf();
    const blob = { ...blobOf(), descriptor: { ...descriptor, size: 2 ** 50 } };
    const done = await attempt(() => (_request, response) => ok(response), { blob });
    expectRefused(done, 'bad-image', /may have/);
    expect(done.server.count(/blobs/)).toBe(0);
  });

  it.each([500, 502, 503, 504, 429])('that answers %i once is asked again', async (status) => {
    const done = await attempt((blob) => (_request, response, seen) => {
      if (seen.length > 2) {
        ok(response, blob.bytes);
        return;
      }
      response.writeHead(status, { 'retry-after': '0' });
      response.end();
    });
    expectWhole(done);
    expect(done.server.count(/blobs/)).toBe(2);
  });

  it('that is never well again is given up, with what it says', async () => {
    const done = await attempt(() => (_request, response) => {
      response.writeHead(503);
      response.end('{"errors":[{"code":"DOWN","message":"closed \\u001b[31mfor today"}]}');
    });
    expectRefused(done, 'registry', /answered 503 to .*: closed {2}\[31mfor today$/, [
      `${done.blob.hex}.part`,
    ]);
    expect(done.server.count(/blobs/)).toBe(3);
  });

  it.each(['3600', new Date(Date.now() + 3_600_000).toUTCString()])(
    'that wants us to wait until %s is not waited for',
    async (when) => {
      const done = await attempt(() => (_request, response) => {
        response.writeHead(429, { 'retry-after': when });
        response.end();
      });
      expectRefused(done, 'registry', /wants us to wait 3\d\d\d s \(429\)/, [`${done.blob.hex}.part`]);
      expect(done.server.count(/blobs/)).toBe(1);
    },
  );

  it.each([
    [404, 'no-such-image', /does not have it/],
    [403, 'unauthorized', /does not let us/],
    [401, 'unauthorized', /does not let us/],
    [418, 'registry', /answered 418/],
  ])('that answers %i says why', async (status, reason, words) => {
    const done = await attempt(() => (_request, response) => {
      response.writeHead(status);
      response.end();
    });
    expectRefused(done, reason, words, [`${done.blob.hex}.part`]);
  });

  it('that falls silent is asked again', async () => {
    const done = await attempt(
      (blob) => (request, response, seen) => {
        if (seen.length > 2) {
          give(blob, request, response);
          return;
        }
        response.writeHead(200, { 'content-length': blob.bytes.length });
        response.write(blob.bytes.subarray(0, 1000));
      },
      { settings: quick({ idleTimeout: 60 }) },
    );
    expectWhole(done);
    expect(done.server.seen.at(-1)?.headers.range).toBe('bytes=1000-');
  });

  it('that nobody runs is an error at once', async () => {
    const server = await serve((_request, response) => ok(response));
    await server.close();
    await expect(speakTo(server)).rejects.toMatchObject({
      reason: 'registry',
      message: expect.stringContaining('nobody listens') as string,
    });
  });

  it('that is none is told from one that does not answer', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(404);
      response.end();
    });
    await expect(speakTo(server)).rejects.toMatchObject({
      message: expect.stringContaining('it is no registry') as string,
    });
  });
});

describe('a redirect', () => {
  const basic = (request: IncomingMessage, response: ServerResponse): boolean => {
    if (request.headers.authorization !== undefined) return true;
    response.writeHead(401, { 'www-authenticate': 'Basic realm="here"' });
    response.end();
    return false;
  };
  /** Credentials for whatever port the server has got. */
  const settingsFor = (server: Server): RegistrySettings => {
    const folder = temporary();
    const auth = Buffer.from('anna:secret').toString('base64');
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { [server.host]: { auth } } }));
    return { ...quick(), dockerConfig: folder };
  };

  it('to another host leaves the password behind, and the record has neither password nor query', async () => {
    const blob = blobOf();
    const elsewhere = await serve((_request, response) => ok(response, blob.bytes));
    const server = await serve((request, response) => {
      if (!basic(request, response)) return;
      if (request.url === '/v2/') {
        ok(response);
        return;
      }
      response.writeHead(307, { location: `http://${elsewhere.host}/data?signature=hunter2` });
      response.end();
    });
    const { sys, registry } = await speakTo(server, settingsFor(server));
    const folder = temporary();
    await download(sys, registry, folder, blob.descriptor, () => undefined, undefined);
    expect(server.seen.at(-1)?.headers.authorization).toBe(
      `Basic ${Buffer.from('anna:secret').toString('base64')}`,
    );
    expect(elsewhere.seen).toHaveLength(1);
    expect(elsewhere.seen[0]?.headers.authorization).toBeUndefined();
    const record = sys.taken().map(callText).join('\n');
    expect(record).toContain(`GET(http://${elsewhere.host}/data?…) = 200`);
    expect(record).not.toMatch(/hunter2|secret|YW5uYTpz/);
  });

  it('to another host that asks who we are is told nothing: its challenge is not the registry’s', async () => {
    const blob = blobOf();
    const thief = await serve((request, response) => {
      if (request.url?.startsWith('/token') === true) {
        ok(response, Buffer.from('{"token":"t"}'));
        return;
      }
      const realm = `http://${request.headers.host ?? ''}/token`;
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="s"` });
      response.end();
    });
    const server = await serve(
      registryOf((_request, response) => {
        response.writeHead(307, { location: `http://${thief.host}/data` });
        response.end();
      }),
    );
    const { sys, registry } = await speakTo(server, settingsFor(server));
    const fetched = download(sys, registry, temporary(), blob.descriptor, () => undefined, undefined);
    await expect(fetched).rejects.toMatchObject({ reason: 'unauthorized' });
    expect(thief.seen.map(({ url }) => url)).toEqual(['/data']);
  });

  it('within the same host keeps it', async () => {
    const blob = blobOf();
    const server = await serve((request, response) => {
      if (!basic(request, response)) return;
      if (request.url === '/v2/') {
        ok(response);
        return;
      }
      if (request.url === '/data') {
        ok(response, blob.bytes);
        return;
      }
      response.writeHead(302, { location: '/data' });
      response.end();
    });
    const { sys, registry } = await speakTo(server, settingsFor(server));
    await download(sys, registry, temporary(), blob.descriptor, () => undefined, undefined);
    expect(server.seen.at(-1)).toMatchObject({
      url: '/data',
      headers: { authorization: expect.any(String) as string },
    });
  });

  it.each([
    ['http://203.0.113.1/x', /203\.0\.113\.1 in the clear, which nobody has named/],
    ['ftp://127.0.0.1/x', /sends us to ftp:/],
    ['http://a:b@127.0.0.1/x', /password in the address/],
    ['http://[', /no address/],
  ])('to %s is not followed', async (location, words) => {
    const done = await attempt(() => (_request, response) => {
      response.writeHead(307, { location });
      response.end();
    });
    expectRefused(done, 'registry', words, [`${done.blob.hex}.part`]);
  });

  it('in a circle ends', async () => {
    const done = await attempt(() => (request, response) => {
      response.writeHead(307, { location: request.url });
      response.end();
    });
    expectRefused(done, 'registry', /more than 10 times/, [`${done.blob.hex}.part`]);
    expect(done.server.count(/blobs/)).toBe(11);
  });
});

describe('a disk', () => {
  it.skipIf(skipUnlessRoot())(
    'that is full is an error that says so, and half a blob does not stay on it',
    async () => {
      const folder = temporary();
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=100k', 'tmpfs', folder]);
      onTestFinished(() => {
        execFileSync('umount', [folder]);
      });
      const done = await attempt((blob) => (request, response) => give(blob, request, response), { folder });
      expectRefused(done, 'registry', /cannot be written \(ENOSPC\)/);
    },
  );
});

describe('what is asked for to end', () => {
  it('ends while it waits for bytes, and keeps what it has', async () => {
    const blob = blobOf();
    const server = await serve(
      registryOf((_request, response) => {
        response.writeHead(200, { 'content-length': blob.bytes.length });
        response.write(blob.bytes.subarray(0, 1000));
      }),
    );
    const { sys, registry } = await speakTo(server);
    const folder = temporary();
    const control = new AbortController();
    const progress = (bytes: number): void => {
      if (bytes === 1000) control.abort();
    };
    const broken = download(sys, registry, folder, blob.descriptor, progress, control.signal);
    await expect(broken).rejects.toBeInstanceOf(HttpError);
    await expect(broken).rejects.toMatchObject({ code: 'ABORTED' });
    expect(readFileSync(join(folder, `${blob.hex}.part`))).toHaveLength(1000);
  });

  it('is ended for all by the first that fails', async () => {
    const begun: number[] = [];
    const failing = abreast([1, 2, 3, 4, 5], 2, new AbortController().signal, async (item, signal) => {
      begun.push(item);
      if (item === 2) throw new Error('two');
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    });
    await expect(failing).rejects.toThrow('two');
    expect(begun).toEqual([1, 2]);
  });
});

describe('claims', () => {
  const hex = 'a'.repeat(64);
  const other = 'b'.repeat(64);

  it('are taken by one process, and another finds out who has it, and gets it when that ends', async () => {
    const folder = temporary();
    const { lock } = Claims.paths(folder, hex);
    const holder = await holding(lock);
    const claims = new Claims(new Kernel(), folder);
    expect(claims.tryTake(hex)).toBe(false);
    const waited: number[] = [];
    const taken = claims.take(hex, undefined, ({ pid }) => {
      waited.push(pid);
      process.kill(pid, 'SIGKILL');
    });
    await taken;
    expect(waited).toEqual([holder]);
    expect(claims.has(hex)).toBe(true);
    claims.drop(hex);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('are waited for no longer than somebody wants to', async () => {
    const folder = temporary();
    await holding(Claims.paths(folder, hex).lock);
    const control = new AbortController();
    const claims = new Claims(new Kernel(), folder);
    await expect(claims.take(hex, control.signal, () => control.abort())).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });

  it('hold while their blob is opened and closed', async () => {
    const folder = temporary();
    const { part, lock } = Claims.paths(folder, hex);
    const claims = new Claims(new Kernel(), folder);
    expect(claims.tryTake(hex)).toBe(true);
    writeFileSync(part, 'x');
    readFileSync(part);
    expect(
      execFileSync('grep', ['-c', `:${inodeOf(lock)} `, '/proc/locks'], { encoding: 'utf8' }).trim(),
    ).toBe('1');
    claims.letAllGo();
    expect(readdirSync(folder)).toEqual([`${hex}.part`]);
  });

  it('keep what is old from being swept; what nobody wants goes', async () => {
    const folder = temporary();
    const old = new Date(Date.now() - 2 * 24 * 60 * 60 * 1000);
    for (const name of [hex, `${hex}.part`, other, `${other}.lock`, 'push-12', `${'c'.repeat(64)}.lock`]) {
      writeFileSync(join(folder, name), 'x');
      utimesSync(join(folder, name), old, old);
    }
    writeFileSync(join(folder, 'd'.repeat(64)), 'young');
    await holding(Claims.paths(folder, other).lock);
    expect(sweep(new Kernel(), folder, Date.now()).sort()).toEqual([hex, 'c'.repeat(64)]);
    expect(readdirSync(folder).sort()).toEqual([other, `${other}.lock`, 'd'.repeat(64)].sort());
  });
});

/** A process that holds a lock until the test ends; its pid. */
async function holding(lock: string): Promise<number> {
  const { spawn } = await import('node:child_process');
  const script = `import fcntl,sys,time
f=open(sys.argv[1],'a+');fcntl.lockf(f,fcntl.LOCK_EX);print('held',flush=True);sys.stdin.read()`;
  const child = spawn('python3', ['-c', script, lock], { stdio: ['pipe', 'pipe', 'ignore'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', () => reject(new Error('it did not get the lock')));
  });
  return child.pid ?? 0;
}

function inodeOf(path: string): string {
  return execFileSync('stat', ['-c', '%i', path], { encoding: 'utf8' }).trim();
}
