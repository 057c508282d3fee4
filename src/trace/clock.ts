/**
 * From CLOCK_MONOTONIC to the wall clock, by the one pairing that a journal begins with. What another process undid after
 * a reboot has a clock of its own, and a pairing of its own.
 */
import type { Entry } from '../engine/journal.ts';

/** Nanoseconds since 1970 of a time that stands in this entry. */
export type Clock = (entry: Entry, at: number) => bigint;

interface Pairing {
  readonly wall: number;
  readonly at: number;
}

/** BigInt: nanoseconds since 1970 do not fit into a number. */
const convert = ({ wall, at: zero }: Pairing, at: number): bigint =>
  BigInt(wall) * 1_000_000n + BigInt(Math.round(at - zero));

export function clockOf(begin: Extract<Entry, { k: 'begin' }>, entries: readonly Entry[]): Clock {
  const others = new Map<Entry, Pairing>();
  let boot = begin.boot;
  let pairing: Pairing = begin;
  for (const entry of entries) {
    if (entry.k === 'recovered' && entry.boot !== boot) {
      boot = entry.boot;
      pairing = entry;
    }
    if (pairing !== begin) others.set(entry, pairing);
  }
  return (entry, at) => convert(others.get(entry) ?? begin, at);
}
