/** From a container on disk to a Command that is ready to launch (notes: 启动容器). */
import { getContainer } from '../steps/2-start/010-get-container.ts';
import { hostConfig } from '../steps/2-start/020-host-config.ts';
import { dns } from '../steps/2-start/030-dns.ts';
import { mountRootfs } from '../steps/2-start/040-mount-rootfs.ts';
import { allocateNetwork } from '../steps/2-start/050-allocate-network.ts';
import { hosts } from '../steps/2-start/060-hosts.ts';
import { verifyKernel } from '../steps/2-start/070-verify-kernel.ts';
import { volumes } from '../steps/2-start/080-volumes.ts';
import { workdir } from '../steps/2-start/100-workdir.ts';
import { env } from '../steps/2-start/110-env.ts';
import { buildCommand } from '../steps/2-start/120-build-command.ts';
import { mountTable } from '../steps/2-start/130-mount-table.ts';
import { libcontainerConfig } from '../steps/2-start/140-libcontainer-config.ts';
import { console } from '../steps/2-start/150-console.ts';
import { writeContainerJson } from '../steps/2-start/160-write-container-json.ts';
import { execDriverRun } from '../steps/2-start/170-exec-driver-run.ts';

export const startSteps = [
  getContainer,
  hostConfig,
  // Links: the first half of the notes' graphdb bullet (start.register-links) stands here when links exist.
  dns,
  mountRootfs,
  allocateNetwork,
  hosts,
  verifyKernel,
  volumes,
  // Links: the second half, and the iptables rules and environment of linked containers (start.links), stand here.
  workdir,
  env,
  buildCommand,
  mountTable,
  libcontainerConfig,
  console,
  writeContainerJson,
  execDriverRun,
] as const;
