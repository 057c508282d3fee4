import { checkSource, parseBind } from '../../daemon/volumes.ts';
import { step } from '../../engine/step.ts';

export const hostConfig = step({
  id: 'start.host-config',
  title: 'Check what ties the container to this host',
  actor: 'daemon',
  then: { symbol: 'setHostConfig', file: 'daemon/start.go:43' },
  now: { where: 'moby: at create (daemon/create.go)', cve: ['CVE-2015-3631'] },
  needs: ['subject'],
  gives: ['binds'],
  observe: ['files'],
  run({ subject }, { sys }) {
    const binds = subject.hostConfig.Binds.map(parseBind);
    for (const bind of binds) checkSource(sys, bind);
    return { binds };
  },
});
