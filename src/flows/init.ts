/**
 * The order of dockerinit, in two parts: what it does before the daemon has made its cgroups and its network, and the rest.
 * `dockerinit --steps` prints the same list, and a test holds the two together.
 */
import { readArgs } from '../steps/4-init/010-read-args.ts';
import { loadConfig } from '../steps/4-init/020-load-config.ts';
import { loadEnv } from '../steps/4-init/030-load-env.ts';
import { joinCgroups } from '../steps/4-init/040-join-cgroups.ts';
import { readNetworkState } from '../steps/4-init/050-read-network-state.ts';
import { sessionTty } from '../steps/4-init/060-session-tty.ts';
import { network } from '../steps/4-init/070-network.ts';
import { mountPrivate } from '../steps/4-init/080-mount-private.ts';
import { bindRootfs } from '../steps/4-init/090-bind-rootfs.ts';
import { systemMounts } from '../steps/4-init/100-system-mounts.ts';
import { bindMounts } from '../steps/4-init/110-bind-mounts.ts';
import { devices } from '../steps/4-init/120-devices.ts';
import { ptmxConsole } from '../steps/4-init/130-ptmx-console.ts';
import { devSymlinks } from '../steps/4-init/140-dev-symlinks.ts';
import { pivot } from '../steps/4-init/150-pivot.ts';
import { reopenNull } from '../steps/4-init/160-reopen-null.ts';
import { readonlyRoot } from '../steps/4-init/170-readonly-root.ts';
import { umask } from '../steps/4-init/180-umask.ts';
import { hostname } from '../steps/4-init/190-hostname.ts';
import { lsm } from '../steps/4-init/200-lsm.ts';
import { restrict } from '../steps/4-init/210-restrict.ts';
import { rlimits } from '../steps/4-init/220-rlimits.ts';
import { seccomp } from '../steps/4-init/230-seccomp.ts';
import { closeOnExec } from '../steps/4-init/240-close-on-exec.ts';
import { capBounding } from '../steps/4-init/250-cap-bounding.ts';
import { user } from '../steps/4-init/260-user.ts';
import { caps } from '../steps/4-init/270-caps.ts';
import { chdir } from '../steps/4-init/280-chdir.ts';
import { exec } from '../steps/4-init/290-exec.ts';

/** Until it has to know its cgroups. */
export const arrive = [readArgs, loadConfig, loadEnv] as const;

/** The barrier where it waits for the daemon to have made them. */
export const join = [joinCgroups] as const;

/** From the network state to the user's program. */
export const become = [
  readNetworkState,
  sessionTty,
  network,
  mountPrivate,
  bindRootfs,
  systemMounts,
  bindMounts,
  devices,
  ptmxConsole,
  devSymlinks,
  pivot,
  reopenNull,
  readonlyRoot,
  umask,
  hostname,
  lsm,
  restrict,
  rlimits,
  seccomp,
  closeOnExec,
  capBounding,
  user,
  caps,
  chdir,
  exec,
] as const;
