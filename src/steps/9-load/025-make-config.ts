import { imageConfigText } from '../../daemon/image-config.ts';
import { applyInstructions } from '../../daemon/instructions.ts';
import { step } from '../../engine/step.ts';
import { sha256 } from '../../kernel/hash.ts';

export const makeConfig = step({
  id: 'load.make-config',
  title: 'Say what the image is to run, and how',
  actor: 'daemon',
  then: { symbol: 'TagStore.CmdImport', file: 'graph/import.go' },
  now: { where: 'moby daemon/images/image_import.go; dockerfile.BuildFromConfig' },
  needs: ['imageSource', 'importRequest', 'rootLayer'],
  gives: ['checkedImages', 'layersReady'],
  observe: [],
  plan() {
    return { drawn: { created: new Date().toISOString() }, undo: [] };
  },
  run({ imageSource, importRequest, rootLayer }, { drawn, note }) {
    const { changes, message, name, platform } = importRequest;
    const { config, carried } = applyInstructions({ config: {} }, changes);
    const text = imageConfigText({
      architecture: platform.architecture,
      os: platform.os,
      ...(platform.variant === '' ? {} : { variant: platform.variant }),
      created: drawn.created,
      config,
      ...(carried === undefined ? {} : { carried }),
      diffIds: [rootLayer.diffId],
      history: [
        {
          created: drawn.created,
          created_by: '',
          comment: message === '' ? `Imported from ${imageSource.file}` : message,
        },
      ],
    });
    const configBytes = Buffer.from(text);
    const id = sha256().update(configBytes).digest('hex');
    if (changes.length === 0) note('It says no command: whoever runs it says one.');
    const { chainId, diffId, size } = rootLayer;
    const layer = { what: imageSource.file, chainId, diffId, size, open: gone };
    return {
      checkedImages: [{ id, configBytes, layers: [layer], names: name === null ? [] : [name] }],
      layersReady: { notes: {} },
    };
  },
});

/** A pipe has no second time. */
async function* gone(): AsyncGenerator<Uint8Array> {
  // What is unpacked from nothing is refused, with its name.
}
