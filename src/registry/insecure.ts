/**
 * Which registries may be spoken to in the clear: those that the user names, and this machine itself, as Docker has it.
 * Only what stands in the name counts. No name is looked up for it: whoever answers for the name server would decide
 * (CVE-2014-5277 let whoever answered on the network decide).
 */
import { TsDockError } from '../engine/failure.ts';

export interface Insecure {
  /** Lower case, without port; or the network of a CIDR. */
  readonly host: string;
  /** Empty: the usual one. */
  readonly port: string;
  /** Bits of a network; undefined: the name must be equal. */
  readonly bits: number | undefined;
}

const LOOPBACK: readonly Insecure[] = [
  { host: '127.0.0.0', port: '', bits: 8 },
  { host: '::1', port: '', bits: 128 },
];

/** `HOST`, `HOST:PORT`, `[::1]:5000`, `10.0.0.0/8`. */
export function parseInsecure(where: string, text: string): Insecure {
  const wrong = (): TsDockError =>
    new TsDockError(
      'bad-usage',
      `expected ${where} to be HOST[:PORT] or a network such as 10.0.0.0/8, got ${JSON.stringify(text)}`,
      { remedy: 'Leave http:// and everything behind the port away.' },
    );
  const cidr = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(text);
  if (cidr !== null) {
    const [, host = '', bits = ''] = cidr;
    const bytes = bytesOf(host);
    if (bytes === undefined || Number(bits) > bytes.length * 8) throw wrong();
    return { host: host.toLowerCase(), port: '', bits: Number(bits) };
  }
  const parts = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(text);
  if (parts === null) throw wrong();
  const [, host = '', port = ''] = parts;
  return { host: bare(host), port, bits: undefined };
}

const bare = (host: string): string => host.replace(/^\[|\]$/g, '').toLowerCase();

/** @param port - as it stands in the name; empty where none does. A name is meant with just this port, a network with any. */
export function mayBePlain(host: string, port: string, named: readonly Insecure[]): boolean {
  const name = bare(host);
  if (name === 'localhost') return true;
  const bytes = bytesOf(name);
  return [...LOOPBACK, ...named].some((each) => {
    if (each.bits === undefined) return each.host === name && each.port === port;
    const network = bytesOf(each.host);
    return bytes !== undefined && network !== undefined && within(bytes, network, each.bits);
  });
}

export function isLoopback(host: string): boolean {
  return mayBePlain(host, '', []);
}

function within(address: readonly number[], network: readonly number[], bits: number): boolean {
  if (address.length !== network.length) return false;
  return address.every((byte, index) => {
    const mask = (0xff00 >> Math.max(0, Math.min(8, bits - index * 8))) & 0xff;
    return ((byte ^ (network[index] ?? 0)) & mask) === 0;
  });
}

/** The bytes of an address; undefined for a name. */
function bytesOf(text: string): number[] | undefined {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (four !== null) {
    const bytes = four.slice(1).map(Number);
    return bytes.every((byte) => byte < 256) ? bytes : undefined;
  }
  if (!text.includes(':') || !/^[0-9a-fA-F:]+$/.test(text)) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = (half: string): number[] =>
    half === '' ? [] : half.split(':').map((group) => (group === '' ? NaN : Number.parseInt(group, 16)));
  const [front = [], back = []] = halves.map(groups);
  const gap = 8 - front.length - back.length;
  if (halves.length === 1 ? gap !== 0 : gap < 1) return undefined;
  const words = [...front, ...Array<number>(gap).fill(0), ...back];
  if (words.some((word) => !(word >= 0 && word <= 0xffff))) return undefined;
  return words.flatMap((word) => [word >> 8, word & 0xff]);
}
