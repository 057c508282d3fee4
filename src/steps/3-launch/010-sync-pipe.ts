import { step } from '../../engine/step.ts';

export const syncPipe = step({
  id: 'launch.sync-pipe',
  title: 'Make the sync pipe',
  actor: 'daemon',
  then: { symbol: 'NewSyncPipe', file: 'lc/syncpipe/sync_pipe_linux.go:8' },
  now: { where: 'runc libcontainer/process_linux.go newProcessComm' },
  needs: ['sealedInit'],
  gives: ['syncPipe'],
  observe: [],
  run(_taken, { sys }) {
    const [parent, child] = sys.socketpair();
    return { syncPipe: { parent, child } };
  },
});
