/**
 * zstd (RFC 8878) by libzstd, frame by frame: Node has one of its own from 22.15 on only. The window, and with it the memory,
 * is bounded whatever a frame asks for.
 */
import { TsDockError } from '../engine/failure.ts';
import { binding, type ZstdDecoder, type ZstdStep } from '../kernel/binding.ts';
import type { Meter } from './decompress.ts';
import { badArchive } from './refusal.ts';

/** 128 MiB: what `zstd -d` allows without --memory. */
const MOST_WINDOW_LOG = 27;
const PIECE = 128 * 1024;

/** @throws TsDockError `bad-archive`. */
export async function* zstdFrames(
  source: AsyncIterable<Uint8Array>,
  meter: Meter,
  what: string,
): AsyncGenerator<Uint8Array> {
  const decoder = open();
  try {
    let between = true;
    for await (const packed of source) {
      let at = 0;
      for (let full = false; at < packed.length || full;) {
        const plain = Buffer.allocUnsafeSlow(PIECE);
        const step = decode(decoder, packed.subarray(at), plain, between, what);
        at += step.taken;
        meter.taken += step.taken;
        between = step.between;
        // It may hold more than there was room for.
        full = step.given === PIECE && !between;
        if (step.given > 0) yield plain.subarray(0, step.given);
      }
    }
    if (!between) throw badArchive(what, 'its zstd data is cut off');
  } finally {
    binding().zstdClose(decoder);
  }
}

function open(): ZstdDecoder {
  const decoder = binding().zstdOpen(MOST_WINDOW_LOG);
  if (decoder === null)
    throw new TsDockError('missing-feature', 'cannot unpack zstd: there is no libzstd.so.1', {
      means: 'It is the library of zstd, and part of nearly every system.',
      remedy: 'Install it (Debian: libzstd1).',
    });
  if ('errno' in decoder) throw new Error('no memory for a zstd decoder');
  return decoder;
}

function decode(
  decoder: ZstdDecoder,
  packed: Uint8Array,
  plain: Uint8Array,
  between: boolean,
  what: string,
): ZstdStep {
  const step = binding().zstdDecode(decoder, packed, plain);
  if (typeof step !== 'string') return step;
  const junk = between && step === 'Unknown frame descriptor';
  throw badArchive(
    what,
    junk ? 'something that is no zstd frame follows the last one' : `its zstd data is refused: ${step}`,
  );
}
