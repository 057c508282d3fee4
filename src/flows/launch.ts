/**
 * From a Command to a running program: the daemon's side of the handshake (notes: "Daemon执行流程"), with dockerinit's
 * steps where they happen. Docker 1.2.0 had the same two barriers, but neither side could see where the other stood.
 */
import { syncPipe } from '../steps/3-launch/010-sync-pipe.ts';
import { monitor } from '../steps/3-launch/005-monitor.ts';
import { command } from '../steps/3-launch/020-command.ts';
import { clone } from '../steps/3-launch/030-clone.ts';
import { startTime } from '../steps/3-launch/040-start-time.ts';
import { cgroups } from '../steps/3-launch/050-cgroups.ts';
import { network } from '../steps/3-launch/060-network.ts';
import { sendNetworkState } from '../steps/3-launch/070-send-network-state.ts';
import { saveState } from '../steps/3-launch/080-save-state.ts';
import { waitReady } from '../steps/3-launch/090-wait-ready.ts';
import { callback } from '../steps/3-launch/100-callback.ts';
import { arrive, become, join } from './init.ts';

export const launchSteps = [
  syncPipe,
  command,
  clone,
  startTime,
  ...arrive,
  cgroups,
  ...join,
  network,
  sendNetworkState,
  saveState,
  ...become,
  waitReady,
  callback,
] as const;

/** Where the container may outlive ts-dock (`-d`), or has a terminal (`-t`): its parent is a monitor. */
export const supervisedLaunchSteps = [monitor, ...launchSteps] as const;
