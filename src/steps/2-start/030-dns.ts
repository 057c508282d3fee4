import { join } from 'node:path';
import { containerFolder } from '../../daemon/containers.ts';
import { resolvConfFor } from '../../daemon/dns.ts';
import { beneath, writePublic } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';

export const dns = step({
  id: 'start.dns',
  title: 'Write resolv.conf',
  actor: 'daemon',
  then: { symbol: 'setupContainerDns', file: 'daemon/container.go:842' },
  now: { where: 'moby libnetwork/sandbox_dns_unix.go rebuildDNS' },
  needs: ['subject'],
  gives: ['resolvConf'],
  observe: ['files'],
  plan: ({ subject }, { place }) => ({
    drawn: undefined,
    undo: [
      {
        lifetime: 'with-container',
        kind: 'remove-file',
        path: beneath(place, join(containerFolder(place, subject.container.ID), 'resolv.conf')),
      },
    ],
  }),
  run({ subject: { container, hostConfig } }, { sys, place, note }) {
    const { text, nameservers, why } = resolvConfFor(hostConfig, sys.readIfThere('/etc/resolv.conf'));
    const path = join(containerFolder(place, container.ID), 'resolv.conf');
    writePublic(sys, path, text);
    note(why);
    return { resolvConf: { path, nameservers, why } };
  },
});
