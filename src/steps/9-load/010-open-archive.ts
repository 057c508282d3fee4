import { join } from 'node:path';
import { beneath } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';
import { untilInterrupted } from '../../layouts/interrupted.ts';
import { openSource } from '../../layouts/open.ts';

export const openArchive = step({
  id: 'load.open-archive',
  title: 'Open the archive',
  actor: 'daemon',
  then: { symbol: 'CmdLoad, archive.Untar', file: 'graph/load.go' },
  now: { where: 'moby image/tarexport/load.go Load', cve: ['CVE-2014-9357', 'CVE-2017-14992'] },
  needs: ['imageSource', 'budgets'],
  gives: ['archive'],
  observe: ['store'],
  plan(_, { place, run }) {
    const scratch = join(place.work, run.id);
    return {
      drawn: { scratch },
      undo: [{ lifetime: 'transient', kind: 'remove-tree', path: beneath(place, scratch) }],
    };
  },
  async run({ imageSource, budgets }, { sys, place, drawn, interruption, progress, note }) {
    sys.ensureDir(place.work, 0o700);
    sys.ensureDir(drawn.scratch, 0o700);
    const { file, stream } = imageSource;
    const source =
      stream === undefined ? imageSource : { ...imageSource, stream: untilInterrupted(stream, interruption) };
    const archive = await openSource(sys, source, {
      budgets,
      scratch: drawn.scratch,
      progress: (done, total) => {
        progress([{ label: 'reading', done, total }]);
      },
    });
    const packing = archive.compression === 'none' ? '' : `, packed with ${archive.compression}`;
    note(`${file} is ${archive.kind === 'folder' ? 'a folder' : `an archive${packing}`}.`);
    if (archive.kind === 'spooled archive')
      note('It was written to the work folder once: its parts are needed in another order than they come.');
    return { archive };
  },
});
