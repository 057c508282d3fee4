/** A collector of our own on loopback that answers as a test wants, or not at all. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Request {
  readonly url: string;
  readonly type: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** `held`: requests are taken and not answered until {@link Receiver.release}. */
export type Manner = 'ok' | 'held' | 'refusing' | 'rejecting';

export interface Receiver {
  readonly endpoint: string;
  readonly requests: Request[];
  manner: Manner;
  /** Requests that were taken and have no answer. */
  unanswered(): number;
  /** Resolves when at least this many requests were taken. */
  taken(count: number): Promise<void>;
  /** Answers what is held, and from now on at once. */
  release(): void;
  close(): Promise<void>;
}

export async function receiver(manner: Manner = 'ok'): Promise<Receiver> {
  const held: ServerResponse[] = [];
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { url = '', headers } = request;
      self.requests.push({ url, type: headers['content-type'] ?? '', headers, body: Buffer.concat(chunks) });
      if (self.manner === 'held') held.push(response);
      else answer(response, self.manner);
      for (const each of waiting) if (self.requests.length >= each.count) each.resolve();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const self: Receiver = {
    endpoint: `http://127.0.0.1:${port}`,
    requests: [],
    manner,
    unanswered: () => held.length,
    taken: (count) =>
      new Promise((resolve) => {
        waiting.push({ count, resolve });
        if (self.requests.length >= count) resolve();
      }),
    release: () => {
      self.manner = 'ok';
      for (const response of held.splice(0)) answer(response, 'ok');
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return self;
}

function answer(response: ServerResponse, manner: Manner): void {
  // 503 invites to try again, 400 does not.
  response.statusCode = manner === 'refusing' ? 503 : manner === 'rejecting' ? 400 : 200;
  response.setHeader('content-type', 'application/x-protobuf');
  response.end();
}
