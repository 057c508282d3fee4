/**
 * Debian's docker-registry, started by the test with a configuration of its own on a port that it chooses itself; a proxy
 * before it that can be told to misbehave; certificates, a token server, and images that skopeo has put there.
 */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey, sign, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { findProgram, skipUnless } from '../rig/skip.ts';
import { serve, type Answer, type Server } from './fake.ts';

/** `describe.skipIf(skipUnlessRegistry())`. */
export function skipUnlessRegistry(): boolean {
  const lacking = ['docker-registry', 'skopeo', 'openssl'].filter((name) => findProgram(name) === undefined);
  return skipUnless(`there is no ${lacking.join(', ')}`, lacking.length === 0);
}

export interface Certificates {
  readonly authority: string;
  readonly key: string;
  readonly cert: string;
  /** Paths of the three. */
  readonly files: { readonly authority: string; readonly key: string; readonly cert: string };
}

/** An authority of our own, and a certificate of it for 127.0.0.1 and localhost. */
export function certificates(folder: string): Certificates {
  const openssl = (...args: string[]): unknown =>
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...curve,
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-subj',
    '/CN=test authority',
    '-days',
    '2',
  );
  openssl('req', ...curve, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost');
  writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  const by = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
  openssl('x509', '-req', '-in', 'server.csr', ...by, '-out', 'server.crt');
  const files = {
    authority: join(folder, 'ca.crt'),
    key: join(folder, 'server.key'),
    cert: join(folder, 'server.crt'),
  };
  const read = (path: string): string => readFileSync(path, 'utf8');
  return { authority: read(files.authority), key: read(files.key), cert: read(files.cert), files };
}

/** `anna` with the password `secret`. */
export const HTPASSWD = 'anna:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';

export interface RealRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  close(): Promise<void>;
}

export interface RegistryWish {
  readonly tls?: Certificates;
  /** Lines of an htpasswd file (bcrypt). */
  readonly htpasswd?: string;
  readonly token?: {
    readonly realm: string;
    readonly service: string;
    readonly issuer: string;
    readonly bundle: string;
  };
}

export async function startRegistry(
  folder: string,
  { tls, htpasswd, token }: RegistryWish = {},
): Promise<RealRegistry> {
  const place = mkdtempSync(join(folder, 'registry-'));
  const auth: string[] = [];
  if (htpasswd !== undefined) {
    writeFileSync(join(place, 'htpasswd'), htpasswd);
    auth.push(
      'auth:',
      '  htpasswd:',
      '    realm: "a realm, with a comma"',
      `    path: ${join(place, 'htpasswd')}`,
    );
  }
  if (token !== undefined)
    auth.push(
      'auth:',
      '  token:',
      `    realm: ${token.realm}`,
      `    service: ${token.service}`,
      `    issuer: ${token.issuer}`,
      `    rootcertbundle: ${token.bundle}`,
    );
  const config = [
    'version: 0.1',
    'log: { level: info, accesslog: { disabled: true } }',
    'storage:',
    `  filesystem: { rootdirectory: ${join(place, 'data')} }`,
    '  delete: { enabled: true }',
    'http:',
    '  addr: 127.0.0.1:0',
    '  secret: for-tests',
    ...(tls === undefined
      ? []
      : ['  tls:', `    certificate: ${tls.files.cert}`, `    key: ${tls.files.key}`]),
    ...auth,
  ];
  writeFileSync(join(place, 'config.yml'), config.join('\n'));
  const child = spawn('docker-registry', ['serve', join(place, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  const port = await listening(child);
  return {
    host: `127.0.0.1:${port}`,
    close: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** What it says on standard error of the port that it has got. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const port = /listening on [^ "]*:(\d+)/.exec(said)?.[1];
      if (port !== undefined) resolve(port);
    });
    child.once('exit', () => reject(new Error(`docker-registry ended: ${said}`)));
    child.once('error', reject);
  });
}

/** Passes requests on, unless `meddle` answers them. True: it did. */
export type Meddle = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface Proxy extends Server {
  meddle: Meddle;
}

/** Before a registry in the clear. The Host header is kept: what the registry gives as addresses leads here again. */
export async function startProxy(upstream: string, { manual = true } = {}): Promise<Proxy> {
  const passOn: Answer = (request, response) => {
    if (proxy.meddle(request, response)) return;
    const [hostname = '', port = ''] = upstream.split(':');
    const { method, url, headers } = request;
    const onward = httpRequest({ hostname, port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  };
  const server = await serve(passOn, { manual });
  const proxy: Proxy = { ...server, meddle: () => false };
  return proxy;
}

export interface TokenServer extends Server {
  /** What was asked for, and as whom: `anna repository:x:pull`. */
  readonly asked: string[];
}

const base64url = (text: string | Buffer): string => Buffer.from(text).toString('base64url');

/** Gives tokens to `anna:secret` for all, and to nobody in particular for reading `open/…`; a refresh token is `identity-1`. */
export async function startTokenServer(
  certificate: string,
  key: string,
  {
    service,
    issuer,
    tls,
    field = 'token',
  }: { service: string; issuer: string; tls?: Certificates; field?: string },
): Promise<TokenServer> {
  const asked: string[] = [];
  const answer: Answer = (request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.once('end', () => {
      const url = new URL(request.url ?? '/', 'http://x');
      const form = request.method === 'POST' ? new URLSearchParams(body) : url.searchParams;
      const basic = Buffer.from(
        /^Basic (.*)$/.exec(request.headers.authorization ?? '')?.[1] ?? '',
        'base64',
      ).toString();
      const refresh = form.get('refresh_token') ?? '';
      const who =
        basic === 'anna:secret' || refresh === 'identity-1'
          ? 'anna'
          : basic === '' && refresh === ''
            ? ''
            : undefined;
      const scope = form.get('scope') ?? '';
      asked.push(`${who ?? 'somebody'} ${scope}`);
      if (who === undefined) {
        response.writeHead(401);
        response.end('{"errors":[{"message":"wrong password"}]}');
        return;
      }
      const [type = '', name = '', actions = ''] = scope.split(':');
      const granted = who === 'anna' ? actions.split(',') : name.startsWith('open/') ? ['pull'] : [];
      const now = Math.floor(Date.now() / 1000);
      const claims = {
        ...{
          iss: issuer,
          sub: who,
          aud: service,
          exp: now + 300,
          nbf: now - 10,
          iat: now,
          jti: String(asked.length),
        },
        access: granted.length === 0 ? [] : [{ type, name, actions: granted }],
      };
      const x5c = [new X509Certificate(certificate).raw.toString('base64')];
      const signed = `${base64url(JSON.stringify({ typ: 'JWT', alg: 'ES256', x5c }))}.${base64url(JSON.stringify(claims))}`;
      const signature = sign('sha256', Buffer.from(signed), {
        key: createPrivateKey(key),
        dsaEncoding: 'ieee-p1363',
      });
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ [field]: `${signed}.${base64url(signature)}`, expires_in: 300 }));
    });
  };
  const server = await serve(answer, { manual: true, ...(tls === undefined ? {} : { tls }) });
  createPublicKey(certificate);
  return { ...server, asked };
}

export interface Layer {
  readonly tar: Buffer;
  /** As it is sent. */
  readonly packed: Buffer;
  readonly mediaType: string;
}

export const digestOf = (bytes: Buffer | string): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A layer of these files: path to content, mode 0755. Packed by the system's tar. */
export function layerOf(
  files: Readonly<Record<string, string | Buffer>>,
  packing: 'gzip' | 'none' | 'zstd' = 'gzip',
): Layer {
  const folder = mkdtempSync(join(tmpdir(), 'ts-dock-layer-'));
  try {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(folder, path, '..'), { recursive: true });
      writeFileSync(join(folder, path), content, { mode: 0o755 });
    }
    const names = [...new Set(Object.keys(files).map((path) => path.split('/')[0] ?? ''))].sort();
    const options = [
      '--sort=name',
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '--mtime=@1000000000',
      '--format=pax',
    ];
    const pax = ['--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime'];
    const most = { maxBuffer: 1024 * 1024 * 1024 };
    const tar = execFileSync('tar', ['-C', folder, ...options, ...pax, '-c', ...names], most);
    const base = 'application/vnd.oci.image.layer.v1.tar';
    if (packing === 'none') return { tar, packed: tar, mediaType: base };
    if (packing === 'gzip') return { tar, packed: gzipSync(tar, { level: 1 }), mediaType: `${base}+gzip` };
    return {
      tar,
      packed: execFileSync('zstd', ['-q', '-c'], { ...most, input: tar }),
      mediaType: `${base}+zstd`,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export interface MadeImage {
  /** Its id: 64 hexadecimal digits. */
  readonly id: string;
  readonly config: string;
  readonly manifest: string;
  readonly layers: readonly Layer[];
}

export function imageOf(
  layers: readonly Layer[],
  config: Readonly<Record<string, unknown>> = {},
  platform: Readonly<Record<string, string>> = { architecture: 'amd64', os: 'linux' },
): MadeImage {
  const text = JSON.stringify({
    ...platform,
    created: '2020-01-02T03:04:05Z',
    config: { Cmd: ['/bin/hello'], Env: ['PATH=/bin'], ...config },
    rootfs: { type: 'layers', diff_ids: layers.map(({ tar }) => digestOf(tar)) },
    history: layers.map((_, index) => ({ created_by: `layer ${index}` })),
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: digestOf(text),
      size: Buffer.byteLength(text),
    },
    layers: layers.map(({ packed, mediaType }) => ({
      mediaType,
      digest: digestOf(packed),
      size: packed.length,
    })),
  });
  return { id: digestOf(text).slice('sha256:'.length), config: text, manifest, layers };
}

/** An OCI layout that skopeo can copy from. */
export function writeLayout(folder: string, image: MadeImage, tag = 'latest'): void {
  const blobs = join(folder, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Buffer | string): void =>
    writeFileSync(join(blobs, digestOf(bytes).slice('sha256:'.length)), bytes);
  put(image.config);
  put(image.manifest);
  for (const { packed } of image.layers) put(packed);
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const descriptor = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: digestOf(image.manifest),
    size: Buffer.byteLength(image.manifest),
    annotations: { 'org.opencontainers.image.ref.name': tag },
  };
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));
}

const later = promisify(execFile);

/** With skopeo, which other people wrote. Not waited for in place: it may want to speak to a server of ours. */
export async function skopeo(...args: string[]): Promise<string> {
  const { stdout } = await later('skopeo', ['--insecure-policy', ...args], { timeout: 30_000 });
  return stdout;
}

/** skopeo copies an image to a registry, and changes nothing of it. @param name - `127.0.0.1:PORT/x/y:tag` */
export async function publish(image: MadeImage, name: string, ...options: string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ts-dock-layout-'));
  try {
    writeLayout(folder, image);
    await skopeo(
      'copy',
      '-q',
      '--preserve-digests',
      '--dest-tls-verify=false',
      ...options,
      `oci:${folder}:latest`,
      `docker://${name}`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** `/bin/hello` says a word; `/bin/busybox` and `/bin/sh` are what it is made with. */
export function helloLayer(word: string, packing: 'gzip' | 'none' | 'zstd' = 'gzip'): Layer {
  const busybox = findProgram('busybox') ?? '/bin/busybox';
  if (statSync(busybox).size < 100_000) throw new Error('there is no static busybox');
  const program = readFileSync(busybox);
  return layerOf({ 'bin/busybox': program, 'bin/hello': `#!/bin/busybox sh\necho ${word}\n` }, packing);
}
