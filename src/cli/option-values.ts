/**
 * The values of the command line's options, each parsed to what it means: one pure function per kind of value. A value
 * that is not what it must be throws `bad-usage`, worded "expected the X option to be …, got …".
 */
import { posix } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import type { DeviceRate, HostConfig, NetworkMode } from '../daemon/model.ts';
import { signalNumber } from '../daemon/signals.ts';
import { CAPABILITY_NAMES } from '../kernel/capability-names.ts';

/** The one wording of a value that cannot be used. */
export function expected(option: string, what: string, got: string, remedy = ''): TsDockError {
  const wording = remedy === '' ? {} : { remedy };
  return new TsDockError(
    'bad-usage',
    `expected the ${option} option to be ${what}, got ${JSON.stringify(got)}`,
    wording,
  );
}

const UNITS = 'bkmgtp';

/** Bytes: `512k`, `64m`, `1.5g`, `64mb`, `1073741824`; a unit is a power of 1024, in either case. */
export function bytes(option: string, text: string): number {
  const [, number, unit = 'b'] = /^(\d+(?:\.\d+)?)([bkmgtp])?(?:i?b)?$/i.exec(text.trim()) ?? [];
  const size = Math.floor(Number(number) * 1024 ** UNITS.indexOf(unit.toLowerCase()));
  if (number === undefined || !Number.isSafeInteger(size)) {
    throw expected(option, 'a size such as 64m (b, k, m or g)', text);
  }
  return size;
}

/** A size, or -1 for "no limit". */
export function bytesOrUnlimited(option: string, text: string): number {
  return text.trim() === '-1' ? -1 : bytes(option, text);
}

export function wholeNumber(
  option: string,
  text: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number {
  const value = /^-?\d+$/.test(text) ? Number(text) : NaN;
  if (!(value >= least && value <= most)) {
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    throw expected(option, `a whole number ${range}`, text);
  }
  return value;
}

/** CPUs times 10^9. Digits are moved rather than multiplied: 0.07 * 1e9 is not 70000000. */
export function nanoCpus(option: string, text: string): number {
  const [, whole, fraction = ''] = /^(\d*)(?:\.(\d*))?$/.exec(text) ?? [];
  const value = Number(`${whole === '' ? '0' : (whole ?? '')}${fraction.padEnd(9, '0')}`);
  if (!/\d/.test(text) || whole === undefined || fraction.length > 9 || !Number.isSafeInteger(value)) {
    throw expected(option, 'a number of CPUs such as 1.5', text);
  }
  return value;
}

export function boolean(option: string, text: string): boolean {
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw expected(option, 'true or false', text);
}

/** Name or number of a signal. */
export function signal(option: string, text: string): number {
  const number = signalNumber(text);
  if (number === undefined) throw expected(option, 'a signal such as TERM, SIGHUP or 15', text);
  return number;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** A moment in milliseconds since 1970: `10m` before `now`, seconds since 1970, or a date. */
export function moment(option: string, text: string, now: number): number {
  if (/^(\d+[smhd])+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+)([smhd])/g)];
    return now - parts.reduce((sum, [, n, unit]) => sum + Number(n) * (SECONDS[unit ?? 's'] ?? 0), 0) * 1000;
  }
  const time = /^\d+(\.\d+)?$/.test(text)
    ? Number(text) * 1000
    : /^\d{4}-\d{2}-\d{2}/.test(text)
      ? Date.parse(text)
      : NaN;
  if (!Number.isSafeInteger(Math.floor(time)))
    throw expected(option, 'a time such as 10m (ago), 2026-11-24T18:00:00Z or seconds since 1970', text);
  return time;
}

/** A list as the kernel reads it: `0-2,4`. */
export function cpuset(option: string, text: string): string {
  const ranges = text.split(',').map((part) => /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part));
  if (!ranges.every((range) => range !== null && Number(range[2] ?? range[1]) >= Number(range[1]))) {
    throw expected(option, 'a list of CPUs such as 0-2,4', text);
  }
  return text;
}

/** `PATH:RATE`, in operations per second. */
export function deviceRate(option: string, text: string): DeviceRate {
  const [, path, rate] = /^(\/dev\/[^:]+):(\d{1,10})$/.exec(text) ?? [];
  if (path === undefined || Number(rate) < 1) {
    throw expected(
      option,
      'PATH:RATE with a device below /dev and operations per second, such as /dev/sda:100',
      text,
    );
  }
  return { Path: path, Rate: Number(rate) };
}

/** `SRC:DST[:ro|rw]`. Docker 1.2.0 took every mode that it did not know for read-only; here it is refused. */
export function bind(option: string, text: string): string {
  const parts = text.split(':');
  const [source = '', destination = '', mode = 'rw'] = parts;
  const form = 'SRC:DST, SRC:DST:ro or SRC:DST:rw';
  if (parts.length < 2 || parts.length > 3 || source === '') throw expected(option, form, text);
  if (!posix.isAbsolute(source)) {
    throw expected(
      option,
      `${form} with an absolute SRC`,
      text,
      'A path of the host begins with /; volumes with a name are not there yet.',
    );
  }
  if (!posix.isAbsolute(destination)) throw expected(option, `${form} with an absolute DST`, text);
  if (posix.normalize(`${destination}/`) === '/') {
    throw expected(option, `${form} with a DST other than /`, text, 'The root of a container is its image.');
  }
  if (mode !== 'ro' && mode !== 'rw') throw expected(option, form, text);
  return text;
}

/** Two mounts on one destination would hide each other in an order that nobody chose. */
export function binds(option: string, texts: readonly string[]): string[] {
  const seen = new Set<string>();
  return texts.map((text) => {
    const destination = posix.normalize(`${bind(option, text).split(':')[1] ?? ''}/`);
    if (seen.has(destination)) throw expected(option, 'given once for each DST', text);
    seen.add(destination);
    return text;
  });
}

export function workdir(option: string, text: string): string {
  if (!posix.isAbsolute(text)) throw expected(option, 'an absolute path in the container', text);
  return text;
}

/**
 * A host name and its domain, cut at the first dot as Docker 1.2.0 did. It is written into the container's hosts file and
 * given to sethostname(2), so nothing that could end a line or a field may pass.
 */
export function hostname(
  option: string,
  text: string,
): { readonly Hostname: string; readonly Domainname: string } {
  const label = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/i;
  if (text.length > 64 || !text.split('.').every((part) => label.test(part))) {
    throw expected(option, 'a host name of letters, digits, - and dots, at most 64 characters', text);
  }
  const dot = text.indexOf('.');
  return dot < 0
    ? { Hostname: text, Domainname: '' }
    : { Hostname: text.slice(0, dot), Domainname: text.slice(dot + 1) };
}

export function networkMode(option: string, text: string): NetworkMode {
  if (text === 'bridge' || text === 'none' || text === 'host') return text;
  throw expected(option, 'bridge, none or host', text);
}

export function ipAddress(option: string, text: string): string {
  if (!isIPv4(text) && !isIPv6(text)) throw expected(option, 'an IP address', text);
  return text;
}

function isIPv4(text: string): boolean {
  const octets = text.split('.');
  return (
    octets.length === 4 && octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) <= 255)
  );
}

function isIPv6(text: string): boolean {
  return /^[0-9a-f:.]+$/i.test(text) && text.includes(':') && URL.canParse(`http://[${text}]/`);
}

/** A domain for resolv.conf; `.` alone means: no search list. */
export function searchDomain(option: string, text: string): string {
  const domain = text.trim();
  const label = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i;
  const labels = domain.replace(/\.$/, '').split('.');
  if (
    domain !== '.' &&
    (domain.length > 255 || !/[a-z]/i.test(domain) || !labels.every((part) => label.test(part)))
  ) {
    throw expected(option, 'a domain such as example.com', text);
  }
  return domain;
}

/** Without CAP_, in capitals; `ALL` stands for all of them. */
export function capability(option: string, text: string): string {
  const name = text.toUpperCase().replace(/^CAP_/, '');
  if (name !== 'ALL' && !(CAPABILITY_NAMES as readonly string[]).includes(name)) {
    throw expected(option, 'the name of a capability such as NET_ADMIN, or ALL', text);
  }
  return name;
}

/** Docker's rule for names; a leading slash, which Docker's own listings have, is taken off. */
export function containerName(option: string, text: string): string {
  const name = text.replace(/^\//, '');
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}$/.test(name)) {
    throw expected(
      option,
      'a name of at least two letters, digits, _ . or -, the first a letter or digit',
      text,
    );
  }
  return name;
}

/** `user`, `uid`, `user:group`. Who that is stands in the container's own passwd, so dockerinit finds out. */
export function user(option: string, text: string): string {
  if (!/^[^\s:\p{Cc}]+(?::[^\s:\p{Cc}]+)?$/u.test(text))
    throw expected(option, 'USER or USER:GROUP, names or numbers', text);
  return text;
}

/** `no`, `always`, `on-failure` or `on-failure:times`. */
export function restartPolicy(option: string, text: string): HostConfig['RestartPolicy'] {
  const [, name, times] = /^(no|always|on-failure)(?::(\d{1,9}))?$/.exec(text) ?? [];
  if (name === undefined || (times !== undefined && name !== 'on-failure'))
    throw expected(option, 'no, always, on-failure or on-failure:TIMES', text);
  return { Name: name, MaximumRetryCount: Number(times ?? 0) };
}
