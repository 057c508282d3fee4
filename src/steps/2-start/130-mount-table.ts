import type { MountEntry } from '../../flows/values.ts';
import { step } from '../../engine/step.ts';

const depth = (path: string): number => path.split('/').length;

export const mountTable = step({
  id: 'start.mount-table',
  title: 'Write the table of mounts',
  actor: 'daemon',
  then: { symbol: 'setupMountsForContainer', file: 'daemon/volumes.go:51' },
  now: { where: 'moby daemon/volumes_unix.go setupMounts' },
  needs: ['command', 'subject', 'resolvConf', 'hostsFiles', 'volumes'],
  gives: ['mountTable'],
  observe: [],
  run({ resolvConf, hostsFiles, volumes }, { note }) {
    const own = (source: string, destination: string): MountEntry => ({
      source,
      destination,
      writable: true,
      private: true,
    });
    const files = [
      own(resolvConf.path, '/etc/resolv.conf'),
      own(hostsFiles.hostname, '/etc/hostname'),
      own(hostsFiles.hosts, '/etc/hosts'),
    ];
    const chosen = Object.entries(volumes.paths)
      .map(([destination, source]) => ({
        source,
        destination,
        writable: volumes.writable[destination] !== false,
        private: false,
      }))
      .sort(
        (a, b) => depth(a.destination) - depth(b.destination) || (a.destination < b.destination ? -1 : 1),
      );
    note('Volumes are sorted by depth: 1.2.0 took them in random order, and /a could cover /a/b.');
    // A volume at one of the three places is what the user wants to see there.
    const taken = new Set(chosen.map(({ destination }) => destination));
    return { mountTable: [...files.filter(({ destination }) => !taken.has(destination)), ...chosen] };
  },
});
