import { join } from 'node:path';
import { makeLayer } from '../../daemon/layer-store.ts';
import { beneath } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';
import { untilInterrupted } from '../../layouts/interrupted.ts';
import { streamOf } from '../../layouts/open.ts';

export const unpackRoot = step({
  id: 'load.unpack-root',
  title: 'Unpack the root as a layer',
  actor: 'daemon',
  then: { symbol: 'TagStore.CmdImport, Graph.Create', file: 'graph/import.go' },
  now: { where: 'moby daemon/images/image_import.go ImportImage', cve: ['CVE-2014-9357', 'CVE-2014-6407'] },
  needs: ['imageSource', 'budgets'],
  gives: ['rootLayer'],
  observe: ['store'],
  plan(_, { place, run }) {
    const scratch = join(place.work, run.id);
    return {
      drawn: { scratch },
      undo: [{ lifetime: 'transient', kind: 'remove-tree', path: beneath(place, scratch) }],
    };
  },
  async run({ imageSource, budgets }, { sys, place, drawn, interruption, progress, alsoUndo, note }) {
    const { file } = imageSource;
    const source = streamOf(sys, imageSource, (done, total) => {
      progress([{ label: 'unpacking', done, total }]);
    });
    const rootLayer = await makeLayer(sys.sparing(), place, {
      scratch: drawn.scratch,
      below: [],
      diffId: undefined,
      source: untilInterrupted(source, interruption),
      budgets,
      what: file,
      // What it will be called is known when all of it has been read, and written down before it is called so.
      ready: (chainId) => {
        alsoUndo({ lifetime: 'unless-finished', kind: 'drop-image', id: '', layers: [chainId] });
      },
    });
    note(`${rootLayer.size} bytes in files.`);
    return { rootLayer };
  },
});
