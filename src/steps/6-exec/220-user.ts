import { initStep } from '../4-init/init-step.ts';

export const user = initStep({
  id: 'exec.user',
  title: 'Switch to the user',
  then: { symbol: '', file: '' },
  now: {
    where: 'runc libcontainer/init_linux.go setupUser',
    cve: ['CVE-2016-3697', 'CVE-2022-36109', 'CVE-2024-40635'],
  },
  needs: ['handshake', 'boundingDropped'],
  gives: 'userSwitched',
  observe: ['process'],
});
