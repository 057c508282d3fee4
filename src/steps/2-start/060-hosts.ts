import { join } from 'node:path';
import { containerFolder } from '../../daemon/containers.ts';
import { hostnameText, hostsText } from '../../daemon/hosts.ts';
import { beneath, writePublic } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';

export const hosts = step({
  id: 'start.hosts',
  title: 'Write hosts and hostname',
  actor: 'daemon',
  then: { symbol: 'buildHostnameAndHostsFiles', file: 'daemon/container.go:393' },
  now: { where: 'moby libnetwork/sandbox_dns_unix.go buildHostsFile' },
  needs: ['subject', 'lease'],
  gives: ['hostsFiles'],
  observe: ['files'],
  plan({ subject }, { place }) {
    const folder = beneath(place, containerFolder(place, subject.container.ID));
    const remove = (name: string) =>
      ({ lifetime: 'with-container', kind: 'remove-file', path: join(folder, name) }) as const;
    return { drawn: undefined, undo: [remove('hostname'), remove('hosts')] };
  },
  run({ subject: { container }, lease }, { sys, place }) {
    const folder = containerFolder(place, container.ID);
    const files = { hostname: join(folder, 'hostname'), hosts: join(folder, 'hosts') };
    writePublic(sys, files.hostname, hostnameText(container.Config));
    writePublic(
      sys,
      files.hosts,
      lease.mode === 'host' ? (sys.readIfThere('/etc/hosts') ?? '') : hostsText(container.Config, lease),
    );
    return { hostsFiles: files };
  },
});
