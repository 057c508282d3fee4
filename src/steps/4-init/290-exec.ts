import { becameProgram } from '../../daemon/processes.ts';
import { step, type Report } from '../../engine/step.ts';

export const exec = step({
  id: 'init.exec',
  title: 'Execute the program',
  actor: 'dockerinit',
  then: { symbol: 'system.Execv', file: 'lc/system/linux.go:11' },
  now: { where: 'runc libcontainer/standard_init_linux.go Init', cve: ['CVE-2016-9962', 'CVE-2019-5736'] },
  needs: ['handshake', 'child', 'stateFile', 'directoryChanged'],
  gives: ['execd'],
  observe: ['process', 'mounts', 'links'],
  handsTerminalTo: 'container',
  async run({ handshake, child }, { sys, report }) {
    const { notes, ...told } = await handshake.ready();
    // The pipe closes by execve itself; one that was refused comes back as a failure instead.
    const { end } = await handshake.over();
    report((await becameProgram(sys, child.pid)) ? timed(told, end) : withoutExecve(told));
    return { execd: { notes } };
  },
});

/** Told before it was made: a dockerinit that died in between never made it, and launch.wait-ready says so. */
function withoutExecve(told: Report): Report {
  return { ...told, calls: told.calls.filter(({ call }) => call !== 'execve') };
}

/** It ended when the pipe did, at the latest. */
function timed(told: Report, end: number): Report {
  const calls = told.calls.map((each) => (each.call === 'execve' ? { ...each, ns: end - each.at } : each));
  return { ...told, end, calls };
}
