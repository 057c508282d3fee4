import { ancestryOf, MAX_IMAGE_DEPTH, tooDeep } from '../../daemon/images.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';

export const checkDepth = step({
  id: 'create.check-depth',
  title: 'Check the number of layers',
  actor: 'daemon',
  then: { symbol: 'Image.CheckDepth', file: 'image/image.go:308' },
  now: { where: 'moby daemon/internal/layer/layer_store.go (125), graphdriver/overlay2 (128)' },
  needs: ['image'],
  gives: ['ancestry'],
  observe: [],
  run({ image }, { sys, place, note }) {
    const ancestry = ancestryOf(sys, place, image);
    if (tooDeep(ancestry.length)) {
      throw new TsDockError(
        'too-many-layers',
        `Cannot create container with more than ${MAX_IMAGE_DEPTH.toString()} parents`,
        {
          means: `With the init layer and the read-write layer this image would have ${(ancestry.length + 2).toString()}, and every lookup of a file may have to ask each of them.`,
          remedy: 'Flatten the image.',
        },
      );
    }
    note(
      `${ancestry.length.toString()} layers and two of the container's own: ${(ancestry.length + 2).toString()} of fewer than ${MAX_IMAGE_DEPTH.toString()}.`,
    );
    return { ancestry };
  },
});
