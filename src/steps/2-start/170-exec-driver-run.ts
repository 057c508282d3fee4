import { sealInit } from '../../daemon/dockerinit.ts';
import { step } from '../../engine/step.ts';

export const execDriverRun = step({
  id: 'start.exec-driver-run',
  title: 'Hand the Command to the native driver',
  actor: 'daemon',
  then: { symbol: 'driver.Run', file: 'daemon/execdriver/native/driver.go:62' },
  now: { where: 'containerd client/container.go NewTask; runc libcontainer/exeseal', cve: ['CVE-2019-5736'] },
  needs: ['command', 'bundle', 'dockerinit'],
  gives: ['sealedInit'],
  observe: [],
  run: ({ dockerinit }, { sys }) => ({ sealedInit: sealInit(sys, dockerinit) }),
});
