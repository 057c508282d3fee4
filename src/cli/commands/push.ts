import { Command } from 'commander';
import { recordImageEvent } from '../../daemon/events.ts';
import { nameIn, nameText } from '../../daemon/reference.ts';
import { lookupImage } from '../../daemon/tags.ts';
import { TsDockError } from '../../engine/failure.ts';
import type { Bar } from '../../engine/frontend.ts';
import { HttpError } from '../../kernel/http.ts';
import { imageName } from '../../registry/name.ts';
import { Registry } from '../../registry/registry.ts';
import { settingsOf } from '../../registry/settings.ts';
import { upload, type UploadTeller } from '../../registry/upload.ts';
import type { Cli } from '../cli.ts';
import { ensureImage } from '../image.ts';
import { addInsecureFlag } from '../options.ts';
import { progressOn } from '../render/progress.ts';

interface PushOptions {
  readonly quiet?: boolean;
  readonly insecureRegistry?: readonly string[];
}

/** `push NAME[:TAG]`: sends an image to the registry that its name says. */
export function pushCommand(cli: Cli): Command {
  const command = new Command('push')
    .summary('send an image to a registry')
    .description('Send an image to the registry that its name says.')
    .helpOption('--help', 'show this help')
    .option('-q, --quiet', 'only its name');
  return addInsecureFlag(command)
    .argument('<name>')
    .action(async (text: string, options: PushOptions) => {
      const name = imageName(text);
      if (name.digest !== '')
        throw new TsDockError('bad-usage', `cannot push ${text}: a digest is what a push has as its answer`, {
          remedy: 'Name a tag, or none for latest.',
        });
      const settings = settingsOf(cli.surroundings.env, options.insecureRegistry ?? []);
      cli.requireRoot();
      await cli.recoverFirst();
      ensureImage(cli, text);
      const image = lookupImage(cli.sys, cli.place, text);
      const registry = new Registry(cli.sys, settings, name, 'pull,push');
      const quiet = options.quiet === true;
      const say = (line: string): void => {
        if (!quiet) cli.print(line);
      };
      const { signal, stop } = untilSignal(cli);
      try {
        say(`The push refers to repository [${name.host}/${name.path}]`);
        await registry.find(signal);
        await registry.authenticate(signal);
        const { digest, size } = await upload(
          cli.sys,
          cli.place,
          registry,
          image,
          teller(cli, say, quiet),
          signal,
        );
        say(`${name.tag}: digest: ${digest} size: ${size}`);
        recordImageEvent(cli.place, 'push', image.id, nameText(nameIn(name)));
        if (quiet) cli.print(name.shown);
      } catch (error) {
        if (!(error instanceof HttpError) || error.code !== 'ABORTED') throw error;
      } finally {
        stop();
        registry.close();
      }
    });
}

function teller(cli: Cli, say: (line: string) => void, quiet: boolean): UploadTeller {
  const area = quiet
    ? undefined
    : progressOn(process.stderr, (text) => cli.guarded(process.stderr).write(text));
  const bars = new Map<string, Bar>();
  return {
    sent: (label, done, total) => {
      bars.set(label, { label, done, total });
      area?.show([...bars.values()]);
    },
    state: (label, words) => {
      bars.delete(label);
      area?.clear();
      say(`${label}: ${words}`);
    },
  };
}

/** ^C ends it in order: what was packed for sending goes as well. */
function untilSignal(cli: Cli): { readonly signal: AbortSignal; stop(): void } {
  const control = new AbortController();
  const codes = { SIGINT: 130, SIGTERM: 143 } as const;
  const handlers = (['SIGINT', 'SIGTERM'] as const).map((name) => {
    const handler = (): void => {
      cli.exitCode = codes[name];
      control.abort();
    };
    process.on(name, handler);
    return { name, handler };
  });
  return {
    signal: control.signal,
    stop: () => {
      for (const { name, handler } of handlers) process.off(name, handler);
    },
  };
}
