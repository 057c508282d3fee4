/** TLS and authentication with Debian's docker-registry: who is believed, who is asked, and who gets the password. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Kernel } from '../../src/kernel/kernel.ts';
import { fetchConfig, fetchManifest, type Fetched } from '../../src/registry/fetch.ts';
import { imageName } from '../../src/registry/name.ts';
import { ownPlatform } from '../../src/registry/platform.ts';
import { Registry } from '../../src/registry/registry.ts';
import type { RegistrySettings } from '../../src/registry/settings.ts';
import { quick, serve } from './fake.ts';
import {
  certificates,
  digestOf,
  HTPASSWD,
  imageOf,
  layerOf,
  publish,
  skipUnlessRegistry,
  startRegistry,
  startTokenServer,
  type Certificates,
  type RealRegistry,
  type TokenServer,
} from './rig.ts';

describe.skipIf(skipUnlessRegistry())('a registry', () => {
  let folder: string;
  let own: Certificates;
  const image = imageOf([layerOf({ a: 'a' })]);
  const sys = new Kernel();

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ts-dock-real-'));
    mkdirSync(join(folder, 'own'));
    own = certificates(join(folder, 'own'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** A folder with a config.json. */
  const login = (json: unknown): string => {
    const place = mkdtempSync(join(folder, 'login-'));
    writeFileSync(join(place, 'config.json'), JSON.stringify(json));
    return place;
  };
  const password = (host: string, text: string): Partial<RegistrySettings> => ({
    dockerConfig: login({ auths: { [host]: { auth: Buffer.from(text).toString('base64') } } }),
  });
  const ask = async (
    host: string,
    path: string,
    settings: Partial<RegistrySettings> = {},
  ): Promise<Fetched> => {
    const registry = new Registry(sys, quick(settings), imageName(`${host}/${path}`), 'pull');
    try {
      await registry.find();
      await registry.authenticate();
      const fetched = await fetchManifest(registry, ownPlatform('x64'), undefined);
      expect(await fetchConfig(registry, fetched.manifest.config, undefined)).toBe(image.config);
      return fetched;
    } finally {
      registry.close();
    }
  };

  describe('with TLS', () => {
    let registry: RealRegistry;
    beforeAll(async () => {
      registry = await startRegistry(folder, { tls: own });
      await publish(image, `${registry.host}/x/y:1`);
    });
    afterAll(() => registry.close());

    it('whose authority nobody knows is not believed, though it is loopback', async () => {
      await expect(ask(registry.host, 'x/y:1')).rejects.toMatchObject({
        reason: 'registry',
        message: expect.stringMatching(/certificate of .* is not to be believed \((UNABLE|SELF)/) as string,
        remedy: expect.stringContaining('certs.d') as string,
      });
    });

    it("is believed by the authority in Docker's folder for it", async () => {
      const place = mkdtempSync(join(folder, 'certs-'));
      mkdirSync(join(place, registry.host));
      writeFileSync(join(place, registry.host, 'ca.crt'), own.authority);
      expect(await ask(registry.host, 'x/y:1', { certificates: place })).toMatchObject({
        digest: digestOf(image.manifest),
      });
    });

    it('is believed by the authority in NODE_EXTRA_CA_CERTS', async () => {
      const before = process.env['NODE_EXTRA_CA_CERTS'];
      process.env['NODE_EXTRA_CA_CERTS'] = own.files.authority;
      onTestFinished(() => {
        if (before === undefined) delete process.env['NODE_EXTRA_CA_CERTS'];
        else process.env['NODE_EXTRA_CA_CERTS'] = before;
      });
      await ask(registry.host, 'x/y:1');
    });

    it('is not believed whatever NODE_TLS_REJECT_UNAUTHORIZED says', async () => {
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
      onTestFinished(() => {
        delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      });
      await expect(ask(registry.host, 'x/y:1')).rejects.toMatchObject({ reason: 'registry' });
      // The naive way does believe it.
      const naive = await fetch(`https://${registry.host}/v2/`, { headers: { connection: 'close' } });
      expect(naive.status).toBe(200);
    });

    it('under another name than its certificate has is not believed', async () => {
      const place = mkdtempSync(join(folder, 'certs-'));
      const host = registry.host.replace('127.0.0.1', '127.0.0.2');
      const server = await serve((_request, response) => response.end(), {
        tls: { key: own.key, cert: own.cert },
        address: '127.0.0.2',
      });
      mkdirSync(join(place, server.host));
      writeFileSync(join(place, server.host, 'ca.crt'), own.authority);
      expect(host).not.toBe(registry.host);
      await expect(ask(server.host, 'x/y:1', { certificates: place })).rejects.toMatchObject({
        message: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID') as string,
      });
    });

    it('that sends us on in the clear is not followed', async () => {
      const place = mkdtempSync(join(folder, 'certs-'));
      const plain = await serve((_request, response) => response.end());
      const server = await serve(
        (request, response) => {
          response.writeHead(request.url === '/v2/' ? 200 : 307, { location: `http://${plain.host}/x` });
          response.end();
        },
        { tls: { key: own.key, cert: own.cert } },
      );
      mkdirSync(join(place, server.host));
      writeFileSync(join(place, server.host, 'ca.crt'), own.authority);
      await expect(ask(server.host, 'x/y:1', { certificates: place })).rejects.toMatchObject({
        message: expect.stringContaining('from TLS to') as string,
      });
      expect(plain.seen).toEqual([]);
    });

    it('a certificate of ours without its key is an error that names the file', async () => {
      const place = mkdtempSync(join(folder, 'certs-'));
      mkdirSync(join(place, registry.host));
      writeFileSync(join(place, registry.host, 'client.cert'), own.cert);
      await expect(ask(registry.host, 'x/y:1', { certificates: place })).rejects.toMatchObject({
        reason: 'bad-config',
        message: expect.stringContaining('client.key') as string,
      });
    });
  });

  it('that wants our certificate gets it', async () => {
    const place = mkdtempSync(join(folder, 'certs-'));
    const { createServer } = await import('node:https');
    const asked: boolean[] = [];
    const wants = {
      key: own.key,
      cert: own.cert,
      ca: own.authority,
      requestCert: true,
      rejectUnauthorized: true,
    };
    const server = createServer(wants, (request, response) => {
      asked.push((request.socket as unknown as { authorized: boolean }).authorized);
      response.writeHead(200, { connection: 'close' });
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.close();
    });
    const host = `127.0.0.1:${(server.address() as { port: number }).port}`;
    mkdirSync(join(place, host));
    const give = (name: string, text: string): void => writeFileSync(join(place, host, name), text);
    give('ca.crt', own.authority);
    give('client.cert', own.cert);
    give('client.key', own.key);
    const registry = new Registry(sys, quick({ certificates: place }), imageName(`${host}/x`), 'pull');
    await registry.find();
    registry.close();
    expect(asked).toEqual([true]);
  });

  describe('with names and passwords', () => {
    let registry: RealRegistry;
    beforeAll(async () => {
      registry = await startRegistry(folder, { htpasswd: HTPASSWD });
      await publish(image, `${registry.host}/x/y:1`, '--dest-creds', 'anna:secret');
    });
    afterAll(() => registry.close());

    it('lets in whom it knows', async () => {
      await ask(registry.host, 'x/y:1', password(registry.host, 'anna:secret'));
    });

    it.each(['anna:wrong', 'bert:secret'])('keeps out %s', async (text) => {
      const error: unknown = await ask(registry.host, 'x/y:1', password(registry.host, text)).catch(
        (caught: unknown) => caught,
      );
      expect(error).toMatchObject({ reason: 'unauthorized' });
      expect(String(error)).not.toMatch(/wrong|secret/);
    });

    it('keeps out nobody in particular', async () => {
      await expect(ask(registry.host, 'x/y:1')).rejects.toMatchObject({ reason: 'unauthorized' });
    });
  });

  describe('with tokens', () => {
    const service = 'a "service", with a comma';
    let tokens: TokenServer;
    let registry: RealRegistry;
    let identity: RegistrySettings['dockerConfig'];
    beforeAll(async () => {
      tokens = await startTokenServer(own.cert, own.key, {
        service: 'a service, with a comma',
        issuer: 'test',
      });
      registry = await startRegistry(folder, {
        token: {
          realm: `http://${tokens.host}/token`,
          service: '"a service, with a comma"',
          issuer: 'test',
          bundle: own.files.cert,
        },
      });
      for (const name of ['open/y:1', 'closed/y:1'])
        await publish(image, `${registry.host}/${name}`, '--dest-creds', 'anna:secret');
      identity = login({ auths: { [registry.host]: { identitytoken: 'identity-1' } } });
      tokens.asked.length = 0;
    });
    afterAll(async () => {
      await registry.close();
      await tokens.close();
    });

    it('gives nobody in particular what is open, with one token for all that follows', async () => {
      tokens.asked.length = 0;
      await ask(registry.host, 'open/y:1');
      expect(tokens.asked).toEqual([' repository:open/y:pull']);
      expect(service).toContain(',');
    });

    it('keeps nobody in particular from what is closed', async () => {
      await expect(ask(registry.host, 'closed/y:1')).rejects.toMatchObject({ reason: 'unauthorized' });
    });

    it('gives it to whom the realm knows', async () => {
      tokens.asked.length = 0;
      await ask(registry.host, 'closed/y:1', password(registry.host, 'anna:secret'));
      expect(tokens.asked).toEqual(['anna repository:closed/y:pull']);
    });

    it('takes an identity token in place of a password', async () => {
      tokens.asked.length = 0;
      await ask(registry.host, 'closed/y:1', { dockerConfig: identity });
      expect(tokens.asked).toEqual(['anna repository:closed/y:pull']);
    });

    it('says that the realm does not know us', async () => {
      const error: unknown = await ask(
        registry.host,
        'open/y:1',
        password(registry.host, 'anna:hunter2'),
      ).catch((caught: unknown) => caught);
      expect(error).toMatchObject({
        reason: 'unauthorized',
        message: expect.stringMatching(/cannot get a token for .*wrong password/) as string,
      });
      expect(String(error)).not.toContain('hunter2');
    });

    it('leaves neither password nor token in what is recorded', async () => {
      sys.taken();
      await ask(registry.host, 'closed/y:1', password(registry.host, 'anna:secret'));
      const record = JSON.stringify(sys.taken());
      expect(record).toContain(`http://${tokens.host}/token?…`);
      expect(record).not.toMatch(/secret|YW5uYTpz|eyJ/);
    });
  });

  describe('that sends us to another place to say who we are', () => {
    const sendingTo = async (
      realm: string,
      tls = false,
    ): Promise<{ host: string; settings: Partial<RegistrySettings> }> => {
      const server = await serve(
        (_request, response) => {
          response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="s"` });
          response.end();
        },
        tls ? { tls: { key: own.key, cert: own.cert } } : {},
      );
      const place = mkdtempSync(join(folder, 'certs-'));
      mkdirSync(join(place, server.host));
      writeFileSync(join(place, server.host, 'ca.crt'), own.authority);
      return {
        host: server.host,
        settings: { ...password(server.host, 'anna:secret'), certificates: place },
      };
    };

    it('in the clear, to a host that was named, does not get the password there', async () => {
      // Named as what may be plain, but neither this machine nor the registry.
      const { host, settings } = await sendingTo('http://[::ffff:7f00:1]:9/token');
      const insecure = [{ host: '::ffff:7f00:0', port: '', bits: 112 }];
      await expect(ask(host, 'x/y:1', { ...settings, insecure })).rejects.toMatchObject({
        reason: 'unauthorized',
        message: expect.stringContaining('would get the password in the clear') as string,
      });
    });

    it.each([
      ['http://203.0.113.1/token', false, /203\.0\.113\.1, in the clear/],
      ['http://127.0.0.1:9/token', true, /127\.0\.0\.1:9, in the clear/],
      ['ftp://127.0.0.1/token', false, /ftp:/],
      ['http://a:b@127.0.0.1/token', false, /password in the address/],
      ['nonsense', false, /does not say where/],
    ])('%s (from TLS: %s) is not followed', async (realm, tls, words) => {
      const { host, settings } = await sendingTo(realm, tls);
      await expect(ask(host, 'x/y:1', settings)).rejects.toMatchObject({
        reason: 'registry',
        message: expect.stringMatching(words) as string,
      });
    });

    it.each(['', '{}', '{"token":7}', '[]', 'null', '{"token":"a\\r\\nb"}'])(
      'and gets %j for a token says so',
      async (body) => {
        const realm = await serve((_request, response) => response.end(body));
        const { host, settings } = await sendingTo(`http://${realm.host}/token`);
        await expect(ask(host, 'x/y:1', settings)).rejects.toMatchObject({
          message: expect.stringContaining('answered without a token') as string,
        });
      },
    );

    it('takes access_token too, and asks anew when it is no longer good', async () => {
      let given = 0;
      const realm = await serve((_request, response) =>
        response.end(JSON.stringify({ access_token: `t${++given}` })),
      );
      const server = await serve((request, response) => {
        const { authorization = '' } = request.headers;
        if (request.url === '/v2/' || authorization !== 'Bearer t2') {
          response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${realm.host}/"` });
          response.end();
        } else {
          const body = (request.url ?? '').includes('manifests') ? image.manifest : image.config;
          response.writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json' });
          response.end(body);
        }
      });
      await ask(server.host, 'x/y:1');
      expect(given).toBe(2);
    });
  });

  describe('that lies about a manifest', () => {
    const lying = (
      answer: (url: string) => { headers?: Record<string, string>; body: string | Buffer },
    ): Promise<unknown> =>
      serve((request, response) => {
        if (request.url === '/v2/') {
          response.end();
          return;
        }
        const { headers = {}, body } = answer(request.url ?? '');
        response.writeHead(200, { 'content-type': 'application/vnd.oci.image.manifest.v1+json', ...headers });
        response.end(body);
      }).then((server) => ask(server.host, 'x/y:1').catch((error: unknown) => error));
    const is = (url: string): string => (url.includes('manifests') ? image.manifest : image.config);

    it('is found out where its own digest is another', async () => {
      const headers = { 'docker-content-digest': `sha256:${'0'.repeat(64)}` };
      expect(await lying((url) => ({ headers, body: is(url) }))).toMatchObject({
        reason: 'bad-image',
        message: expect.stringContaining('its digest is') as string,
      });
    });

    it('is found out where the configuration is another', async () => {
      const other = image.config.replace('2020', '2021');
      expect(
        await lying((url) => ({ body: url.includes('manifests') ? image.manifest : other })),
      ).toMatchObject({
        reason: 'bad-image',
        message: expect.stringMatching(/configuration of .*its digest is/) as string,
      });
    });

    it('is not read beyond the most that a document may be', async () => {
      expect(await lying(() => ({ body: Buffer.alloc(5 * 1024 * 1024, 32) }))).toMatchObject({
        reason: 'bad-image',
        message: expect.stringMatching(/has more than 4194304 bytes/) as string,
      });
    });

    it('is found out where it is an index and a manifest in one', async () => {
      const body = image.manifest.replace('{', '{"manifests":[],');
      expect(await lying(() => ({ body }))).toMatchObject({
        message: expect.stringContaining('CVE-2021-41190') as string,
      });
    });

    it('is ended where its index leads to itself', async () => {
      const mediaType = 'application/vnd.oci.image.index.v1+json';
      const leaf = JSON.stringify({ schemaVersion: 2, mediaType, manifests: [] });
      let text = leaf;
      const all = new Map<string, string>();
      for (let depth = 0; depth < 6; depth += 1) {
        all.set(digestOf(text), text);
        text = JSON.stringify({
          schemaVersion: 2,
          mediaType,
          manifests: [{ mediaType, digest: digestOf(text), size: text.length }],
        });
      }
      const headers = { 'content-type': mediaType };
      expect(
        await lying((url) => ({ headers, body: all.get(url.slice(url.lastIndexOf('/') + 1)) ?? text })),
      ).toMatchObject({
        reason: 'bad-image',
        message: expect.stringContaining('index leads to an index') as string,
      });
    });
  });
});
