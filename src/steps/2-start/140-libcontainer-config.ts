import { initConfigOf } from '../../daemon/libcontainer-config.ts';
import { step } from '../../engine/step.ts';

export const libcontainerConfig = step({
  id: 'start.libcontainer-config',
  title: 'Translate the Command for dockerinit',
  actor: 'daemon',
  then: { symbol: 'native createContainer', file: 'daemon/execdriver/native/create.go:23' },
  now: {
    where: 'moby daemon/pkg/oci/defaults.go DefaultLinuxSpec; runc libcontainer/specconv',
    cve: ['CVE-2015-3630', 'CVE-2017-16539', 'CVE-2018-10892'],
  },
  needs: ['command', 'mountTable'],
  gives: ['initConfig'],
  observe: [],
  run({ command, mountTable }, { run }) {
    return { initConfig: initConfigOf(command, mountTable, run.size) };
  },
});
