import { randomHex } from '../../kernel/random.ts';
import { join } from 'node:path';
import { beneath, makeDir } from '../../daemon/store.ts';
import { imageDestination } from '../../daemon/volumes.ts';
import type { Compensation } from '../../engine/compensation.ts';
import { step } from '../../engine/step.ts';

export const volumes = step({
  id: 'start.volumes',
  title: 'Record volumes and where they come from',
  actor: 'daemon',
  then: { symbol: 'prepareVolumesForContainer', file: 'daemon/volumes.go:36' },
  now: {
    where: 'moby daemon/create_unix.go, volumes_unix.go (at create)',
    cve: ['CVE-2015-3629', 'CVE-2015-3631'],
  },
  needs: ['subject', 'binds', 'rootfs'],
  gives: ['volumes'],
  observe: ['store', 'files'],
  plan({ subject: { container }, binds }, { place }) {
    const bound = new Set([
      ...binds.map(({ destination }) => destination),
      ...Object.keys(container.Volumes),
    ]);
    // An image that asks for a volume gets an empty one of this container's own.
    const asked = new Set(Object.keys(container.Config.Volumes ?? {}).map(imageDestination));
    const wanted = [...asked].filter((destination) => !bound.has(destination));
    const fresh = wanted.map((destination) => ({
      destination,
      folder: join(place.volumes, randomHex(32)),
    }));
    const undo: Compensation[] = [
      ...binds.map(({ source }) => ({ lifetime: 'never', kind: 'user-data', what: source }) as const),
      ...fresh.map(
        ({ folder }) =>
          ({ lifetime: 'with-container', kind: 'remove-tree', path: beneath(place, folder) }) as const,
      ),
    ];
    return { drawn: fresh, undo };
  },
  run({ subject: { container }, binds }, { sys, drawn: fresh }) {
    const paths: Record<string, string> = { ...container.Volumes };
    const writable: Record<string, boolean> = { ...container.VolumesRW };
    for (const { destination, folder } of fresh) {
      sys.mkdir(folder, 0o700);
      makeDir(sys, join(folder, 'data'), 0o755);
      Object.assign(paths, { [destination]: join(folder, 'data') });
      Object.assign(writable, { [destination]: true });
    }
    for (const bind of binds) {
      Object.assign(paths, { [bind.destination]: bind.source });
      Object.assign(writable, { [bind.destination]: bind.writable });
    }
    return { volumes: { paths, writable } };
  },
});
