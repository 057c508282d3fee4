/**
 * A process that joins a living container. Docker 1.2.0 had nothing like it (`docker exec` came with 1.3); the order is
 * today's. dockerinit does again what it did for the container's first process, but for the parts that are there already.
 */
import { getContainer } from '../steps/6-exec/010-get-container.ts';
import { holdInit } from '../steps/6-exec/020-hold-init.ts';
import { writeProcess } from '../steps/6-exec/030-write-process.ts';
import { sealInit } from '../steps/6-exec/040-seal-init.ts';
import { clone } from '../steps/6-exec/050-clone.ts';
import { readArgs } from '../steps/6-exec/060-read-args.ts';
import { loadConfig } from '../steps/6-exec/070-load-config.ts';
import { loadEnv } from '../steps/6-exec/080-load-env.ts';
import { joinCgroups } from '../steps/6-exec/090-join-cgroups.ts';
import { joinNamespaces } from '../steps/6-exec/100-join-namespaces.ts';
import { joinMounts } from '../steps/6-exec/110-join-mounts.ts';
import { fork } from '../steps/6-exec/120-fork.ts';
import { sessionTty } from '../steps/6-exec/130-session-tty.ts';
import { openProc } from '../steps/6-exec/140-open-proc.ts';
import { console } from '../steps/6-exec/150-console.ts';
import { reopenNull } from '../steps/6-exec/160-reopen-null.ts';
import { lsm } from '../steps/6-exec/170-lsm.ts';
import { rlimits } from '../steps/6-exec/180-rlimits.ts';
import { seccomp } from '../steps/6-exec/190-seccomp.ts';
import { closeOnExec } from '../steps/6-exec/200-close-on-exec.ts';
import { capBounding } from '../steps/6-exec/210-cap-bounding.ts';
import { user } from '../steps/6-exec/220-user.ts';
import { caps } from '../steps/6-exec/230-caps.ts';
import { chdir } from '../steps/6-exec/240-chdir.ts';
import { exec } from '../steps/6-exec/250-exec.ts';
import { waitReady } from '../steps/6-exec/260-wait-ready.ts';
import { wait } from '../steps/6-exec/270-wait.ts';
import { leave } from '../steps/6-exec/280-leave.ts';
import { flow } from '../engine/flow.ts';

const joinAndStart = [
  getContainer,
  holdInit,
  writeProcess,
  sealInit,
  clone,
  readArgs,
  loadConfig,
  loadEnv,
  joinCgroups,
  joinNamespaces,
  joinMounts,
  fork,
  sessionTty,
  openProc,
  console,
  reopenNull,
  lsm,
  rlimits,
  seccomp,
  closeOnExec,
  capBounding,
  user,
  caps,
  chdir,
  exec,
  waitReady,
] as const;

const HAVE = ['wanted', 'execRequest', 'terminalJoiner'] as const;

/** `ts-dock exec` */
export const execFlow = flow(HAVE)([...joinAndStart, wait]);

/** `ts-dock exec -d`: nobody waits. */
export const execDetachedFlow = flow(HAVE)([...joinAndStart, leave]);
