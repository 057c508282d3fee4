import { step } from '../../engine/step.ts';

export const console = step({
  id: 'exec.console',
  title: 'Make a terminal in the container',
  actor: 'dockerinit',
  then: { symbol: '', file: '' },
  now: { where: 'runc libcontainer/init_linux.go setupConsole', cve: ['CVE-2017-5226', 'CVE-2025-52565'] },
  needs: ['handshake', 'execRequest', 'terminalJoiner', 'procOpened'],
  gives: ['terminal'],
  observe: ['process'],
  async run({ handshake, execRequest, terminalJoiner }, { sys, run, report, note }) {
    const { notes, ...left } = await handshake.left('exec.console');
    report(left);
    note(`tty: ${JSON.stringify(notes['tty'] ?? false)}`);
    if (!execRequest.tty) return { terminal: null };
    const terminal = await handshake.console();
    const size = terminalJoiner?.size();
    if (size !== undefined) sys.setWindowSize(terminal, size.rows, size.columns);
    const last = run.initSteps.at(-1);
    if (!run.gated && last !== undefined) handshake.permit(last);
    return { terminal };
  },
});
