import { TsDockError } from '../../engine/failure.ts';
import { initStep } from './init-step.ts';

export const ptmxConsole = initStep({
  id: 'init.ptmx-console',
  title: 'Make ptmx and the console',
  then: { symbol: 'SetupPtmx, console.Setup', file: 'lc/mount/ptmx.go:13' },
  now: {
    where: 'runc libcontainer/rootfs_linux.go setupPtmx, init_linux.go mountConsole',
    cve: ['CVE-2025-52565'],
  },
  needs: ['handshake', 'devicesMade', 'command', 'monitor'],
  gives: 'consoleMade',
  observe: ['mounts'],
  after({ handshake, command, monitor }, sys) {
    if (!command.tty) return;
    const master = handshake.takeConsole();
    if (master === undefined) throw new TsDockError('handshake', 'dockerinit made a terminal and kept it');
    monitor?.console(master);
    sys.close(master);
  },
});
