/** Where the lines of a script come from: a text, or a stream of which no more is read than is asked for. */

export interface Lines {
  /** The next line; undefined at the end. */
  next(): Promise<string | undefined>;
  /** The stream is left as it was, and no longer keeps this process alive. */
  close(): void;
}

/** Lines of a text that is there already. */
export function linesOf(text: string): Lines {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return { next: () => Promise.resolve(lines.shift()), close: () => undefined };
}

/** What of a stream is used here. A file as standard input has no `ref`: it keeps nobody alive. */
export interface Source extends NodeJS.EventEmitter {
  pause(): unknown;
  resume(): unknown;
  ref?(): unknown;
  unref?(): unknown;
}

/** A pipe that nobody writes to, and nobody closes, must not hold a run for ever: who has not spoken by then is not there. */
const PATIENCE = 30_000;

export function linesFrom(source: Source, patience = PATIENCE): Lines {
  let buffer = '';
  let state: 'fresh' | 'open' | 'ended' = 'fresh';
  let wake: () => void = () => undefined;
  const heard = (chunk: Buffer | string): void => {
    buffer += chunk.toString();
    wake();
  };
  const over = (): void => {
    state = 'ended';
    wake();
  };
  const rest = (): void => {
    source.pause();
    source.unref?.();
  };
  const listen = (): void => {
    state = 'open';
    source.on('data', heard);
    for (const end of ['end', 'error', 'close']) source.on(end, over);
  };
  const more = async (deadline: boolean): Promise<void> => {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (deadline) timer = setTimeout(over, patience);
      source.ref?.();
      source.resume();
    });
    clearTimeout(timer);
    rest();
  };
  return {
    next: async () => {
      const first = state === 'fresh';
      if (first) listen();
      while (!buffer.includes('\n') && state !== 'ended') await more(first);
      const cut = buffer.indexOf('\n');
      const line = cut < 0 ? buffer : buffer.slice(0, cut);
      buffer = cut < 0 ? '' : buffer.slice(cut + 1);
      return cut < 0 && line === '' ? undefined : line;
    },
    close: () => {
      // Not destroyed: that would close descriptor 0, and the next file that is opened would be standard input.
      source.off('data', heard);
      for (const end of ['end', 'error', 'close']) source.off(end, over);
      if (state !== 'fresh') rest();
    },
  };
}
