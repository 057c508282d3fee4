import { step } from '../../engine/step.ts';

export const exec = step({
  id: 'exec.exec',
  title: 'Execute the program',
  actor: 'dockerinit',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/setns_init_linux.go Init', cve: ['CVE-2016-9962', 'CVE-2019-5736'] },
  needs: ['handshake', 'directoryChanged'],
  gives: ['execd'],
  observe: ['process'],
  handsTerminalTo: 'container',
  async run({ handshake }, { report }) {
    const { notes, ...ready } = await handshake.ready();
    report(ready);
    return { execd: { notes } };
  },
});
