import { Command, Option } from 'commander';
import { recordImageEvent } from '../../daemon/events.ts';
import { readImage } from '../../daemon/images.ts';
import type { Place } from '../../daemon/place.ts';
import { isDigest, nameText, parseReference, type Name } from '../../daemon/reference.ts';
import { meantImage, readTags } from '../../daemon/tags.ts';
import { TsDockError } from '../../engine/failure.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { untilInterrupted } from '../../layouts/interrupted.ts';
import { saved, type SavedImage } from '../../layouts/save.ts';
import type { Cli } from '../cli.ts';
import { ensureImage } from '../image.ts';
import { expected } from '../option-values.ts';
import { writeOutput } from '../output-file.ts';
import { progressOn } from '../render/progress.ts';
import { writeTo } from '../terminal/pipes.ts';

interface SaveOptions {
  readonly output?: string;
  readonly format: 'docker' | 'oci';
}

/** `save [-o FILE] IMAGE...`: images as an archive that others can load. */
export function saveCommand(cli: Cli): Command {
  return new Command('save')
    .summary('save images to an archive')
    .description('Save images to an archive that docker load, skopeo and ts-dock load understand.')
    .helpOption('--help', 'show this help')
    .option('-o, --output <file>', 'write to a file; without it, to standard output')
    .addOption(
      new Option('--format <format>', 'docker: as docker save; oci: an OCI image layout')
        .choices(['docker', 'oci'])
        .default('docker'),
    )
    .argument('<image...>', 'a repository alone means all its tags')
    .action(async (wanted: string[], { output, format }: SaveOptions) => {
      if (output === '') throw expected('--output', 'a file', output);
      if (output === undefined && process.stdout.isTTY) throw noTerminal();
      cli.requireRoot();
      await cli.recoverFirst();
      const images = wanted.reduce((all, text) => {
        ensureImage(cli, text);
        return joined(all, meant(cli.sys, cli.place, text));
      }, new Map<string, SavedImage>());
      const area = progressOn(process.stderr, (text) => cli.guarded(process.stderr).write(text));
      const pieces = saved(cli.sys, cli.place, format, [...images.values()], (done, total) =>
        area?.show([{ label: total === 0 ? 'measuring' : 'saving', done, total }]),
      );
      try {
        await untilSignal(cli, pieces, (source) =>
          output === undefined ? toStandardOutput(cli, source) : writeOutput(cli.sys, output, source),
        );
      } finally {
        area?.clear();
      }
      for (const { image, names } of images.values())
        recordImageEvent(cli.place, 'save', image.id, names[0] === undefined ? '' : nameText(names[0]));
    });
}

/** A repository without a tag is all that it has, as with Docker; an id has no names. */
function meant(sys: Kernel, place: Place, text: string): SavedImage[] {
  const tags = readTags(sys, place);
  const repository = repositoryOf(text);
  const known = repository === undefined ? undefined : tags.get(repository);
  if (repository !== undefined && known !== undefined)
    return [...known]
      .filter(([key]) => !isDigest(key))
      .map(([key, id]) => ({ image: readImage(sys, place, id), names: [{ repository, key }] }));
  const { id, name } = meantImage(sys, place, text);
  const names: readonly Name[] = name === undefined || isDigest(name.key) ? [] : [name];
  return [{ image: readImage(sys, place, id), names }];
}

/** Undefined where more than a repository was said, or none. */
function repositoryOf(text: string): string | undefined {
  try {
    const { repository, tag, digest } = parseReference(text);
    return tag === '' && digest === '' ? repository : undefined;
  } catch (error) {
    if (error instanceof TsDockError) return undefined;
    throw error;
  }
}

function joined(all: Map<string, SavedImage>, more: readonly SavedImage[]): Map<string, SavedImage> {
  for (const { image, names } of more) {
    const before = all.get(image.id)?.names ?? [];
    const fresh = names.filter((name) => !before.some((each) => nameText(each) === nameText(name)));
    all.set(image.id, { image, names: [...before, ...fresh] });
  }
  return all;
}

function noTerminal(): TsDockError {
  return new TsDockError('bad-usage', 'cannot save to a terminal: an archive is no text', {
    remedy: 'Use -o FILE, or redirect standard output.',
  });
}

async function toStandardOutput(cli: Cli, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of pieces) {
    await writeTo(cli, process.stdout, Buffer.from(piece.buffer, piece.byteOffset, piece.length));
    if (process.stdout.destroyed)
      throw new TsDockError('bad-usage', 'cannot save: nobody reads standard output any more');
  }
}

/** Whoever presses ^C wants no half file: it is taken away before the end. */
async function untilSignal(
  cli: Cli,
  pieces: AsyncIterable<Uint8Array>,
  act: (pieces: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
  let code = 0;
  let ask: () => void = () => undefined;
  const interruption = new Promise<void>((resolve) => {
    ask = resolve;
  });
  const handlers = Object.entries(codes).map(([signal, number]) => {
    const handler = (): void => {
      code = number;
      ask();
    };
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  try {
    await act(untilInterrupted(pieces, interruption));
  } catch (error) {
    if (!(error instanceof TsDockError) || error.reason !== 'interrupted') throw error;
    cli.exitCode = code;
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}
