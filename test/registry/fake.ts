/** A registry made of a handler, for answers that a real one would never give; and a blob to ask it for. */
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { Kernel } from '../../src/kernel/kernel.ts';
import { imageName } from '../../src/registry/name.ts';
import { Registry } from '../../src/registry/registry.ts';
import { settingsOf, type RegistrySettings } from '../../src/registry/settings.ts';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
}

export interface Server {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly port: number;
  readonly seen: Seen[];
  /** How many requests there were for paths that match. */
  count(pattern: RegExp): number;
  close(): Promise<void>;
}

export type Answer = (request: IncomingMessage, response: ServerResponse, seen: readonly Seen[]) => void;

/** Ends with the test, unless the caller says that it does it. */
export async function serve(
  answer: Answer,
  {
    tls,
    manual = false,
    address = '127.0.0.1',
  }: { tls?: { key: string; cert: string }; manual?: boolean; address?: string } = {},
): Promise<Server> {
  const seen: Seen[] = [];
  const listener: RequestListener = (request, response) => {
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers });
    answer(request, response, seen);
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  if (!manual) onTestFinished(close);
  return {
    host: `${address}:${port}`,
    port,
    seen,
    count: (pattern) => seen.filter(({ method, url }) => pattern.test(`${method} ${url}`)).length,
    close,
  };
}

export function ok(
  response: ServerResponse,
  body: Uint8Array | string = '',
  headers: Record<string, string> = {},
): void {
  response.writeHead(200, { 'content-length': Buffer.byteLength(body), ...headers });
  response.end(body);
}

export interface Blob {
  readonly bytes: Buffer;
  readonly hex: string;
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
}

export function blobOf(bytes: Buffer = randomBytes(200_000)): Blob {
  const hex = createHash('sha256').update(bytes).digest('hex');
  return {
    bytes,
    hex,
    descriptor: {
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: `sha256:${hex}`,
      size: bytes.length,
    },
  };
}

/** Settings that do not make a test wait. */
export const quick = (more: Partial<RegistrySettings> = {}, home = '/nonexistent'): RegistrySettings => ({
  ...settingsOf({ HOME: home }, []),
  backOff: 1,
  retries: 2,
  ...more,
});

/** Speaks to a server as for `x/y`, and has found it. */
export async function speakTo(
  server: Server,
  settings = quick(),
  host = server.host,
): Promise<{ readonly sys: Kernel; readonly registry: Registry }> {
  const sys = new Kernel();
  const registry = new Registry(sys, settings, imageName(`${host}/x/y:1`), 'pull');
  onTestFinished(() => registry.close());
  await registry.find();
  return { sys, registry };
}

export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ts-dock-registry-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
