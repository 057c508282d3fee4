import { step } from '../../engine/step.ts';

export const console = step({
  id: 'exec.console',
  title: 'Make a terminal in the container',
  actor: 'dockerinit',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/init_linux.go setupConsole', cve: ['CVE-2017-5226', 'CVE-2025-52565'] },
  needs: ['handshake', 'execRequest', 'procOpened'],
  gives: ['terminal'],
  observe: ['process'],
  async run({ handshake, execRequest }, { report, note }) {
    const { notes, ...left } = await handshake.left('exec.console');
    report(left);
    note(`tty: ${JSON.stringify(notes['tty'] ?? false)}`);
    return { terminal: execRequest.tty ? await handshake.console() : null };
  },
});
