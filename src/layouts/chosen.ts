/** Which of the images of a layout are meant, by the machine that they were made for. */
import type { ImageConfig } from '../daemon/image-config.ts';
import { TsDockError } from '../engine/failure.ts';
import { distance, ownPlatform, platformText, type Platform } from '../registry/platform.ts';
import type { OfferedImage } from './image-set.ts';

const platformOf = ({ os, architecture, variant = '' }: ImageConfig): Platform => ({
  os,
  architecture,
  variant,
});

/**
 * Those for the machine that was asked for. Where none was, all of them, as with Docker: who loads an image for another
 * machine may want to pass it on, and is told.
 */
export function chosenFor(
  file: string,
  images: readonly OfferedImage[],
  asked: Platform | undefined,
  warnings: string[],
): readonly OfferedImage[] {
  const own = ownPlatform();
  const others = images
    .map(({ config }) => platformOf(config))
    .filter((each) => distance(asked ?? own, each) === undefined)
    .map(platformText);
  const offered = [...new Set(others)].join(', ');
  if (asked === undefined) {
    if (others.length > 0) warnings.push(`For ${offered}, while this machine is ${platformText(own)}.`);
    return images;
  }
  const chosen = images.filter(({ config }) => distance(asked, platformOf(config)) !== undefined);
  if (chosen.length > 0) return chosen;
  throw new TsDockError(
    'no-such-image',
    `cannot read ${file}: there is no image for ${platformText(asked)} in it`,
    {
      means: `There are images for ${offered}.`,
    },
  );
}
