import { step } from '../../engine/step.ts';

export const wait = step({
  id: 'exit.wait',
  title: 'Wait for the program to end',
  actor: 'daemon',
  then: { symbol: 'exec.Cmd.Wait', file: 'lc/namespaces/exec.go:106' },
  now: { where: 'containerd-shim-runc-v2 task/service.go processExits' },
  needs: ['ending', 'running'],
  gives: ['ended'],
  observe: ['process', 'namespaces', 'cgroups', 'links', 'firewall'],
  handsTerminalTo: 'front-end',
  run: async ({ ending }) => ({ ended: await ending.wait() }),
});
