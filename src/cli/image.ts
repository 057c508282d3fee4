/** The embedded image is made when it is first asked for; what it is made of is said in a line. */
import { BASE_IMAGE, ensureBaseImage } from '../daemon/base-image.ts';
import type { Cli } from './cli.ts';

export function ensureImage(cli: Cli, reference: string): void {
  if (reference !== BASE_IMAGE && reference !== `${BASE_IMAGE}:latest`) return;
  ensureBaseImage(cli.sys, cli.place, (text) => {
    cli.say(text);
  });
}
