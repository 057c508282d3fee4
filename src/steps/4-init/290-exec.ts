import { step } from '../../engine/step.ts';

export const exec = step({
  id: 'init.exec',
  title: 'Execute the program',
  actor: 'dockerinit',
  then: { symbol: 'system.Execv', file: 'lc/system/linux.go:11' },
  now: { where: 'runc libcontainer/standard_init_linux.go Init', cve: ['CVE-2016-9962', 'CVE-2019-5736'] },
  needs: ['handshake', 'stateFile', 'directoryChanged'],
  gives: ['execd'],
  observe: ['process', 'mounts', 'links'],
  handsTerminalTo: 'container',
  async run({ handshake }, { report }) {
    const { notes, ...ready } = await handshake.ready();
    report(ready);
    return { execd: { notes } };
  },
});
