/** IPv4 addresses as numbers, so that ranges can be compared and walked. */

export interface Range {
  readonly address: string;
  readonly prefix: number;
}

/** `172.17.0.2` as a number; undefined for what is not an IPv4 address. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255))
    return undefined;
  return parts.reduce((number, part) => number * 256 + Number(part), 0);
}

export function formatIpv4(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}

/** How many addresses a prefix covers. */
export const sizeOf = (prefix: number): number => 2 ** (32 - prefix);

/** First address of the range that `address` lies in. */
export function networkOf({ address, prefix }: Range): number {
  const number = parseIpv4(address) ?? 0;
  return number - (number % sizeOf(prefix));
}

/** `172.17.0.0/16`, as rules and routes are written. */
export function rangeText(range: Range): string {
  return `${formatIpv4(networkOf(range))}/${range.prefix}`;
}

export function overlaps(a: Range, b: Range): boolean {
  const [startA, startB] = [networkOf(a), networkOf(b)];
  return startA < startB + sizeOf(b.prefix) && startB < startA + sizeOf(a.prefix);
}
