import { freshInit } from '../../daemon/dockerinit.ts';
import { step } from '../../engine/step.ts';

export const dockerinit = step({
  id: 'host.dockerinit',
  title: 'Keep a private copy of dockerinit',
  actor: 'daemon',
  then: { symbol: 'utils.DockerInitPath', file: 'daemon/daemon.go:673' },
  now: {
    where: 'runc libcontainer/exeseal/cloned_binary_linux.go',
    cve: ['CVE-2019-5736'],
  },
  needs: [],
  gives: ['dockerinit'],
  observe: ['store'],
  run(_, { sys, place, note }) {
    const { path, made } = freshInit(sys, place);
    if (!made) note('The copy was there already, and is that of today’s build.');
    return { dockerinit: path };
  },
});
