import { keptCapabilities } from '../../daemon/capabilities.ts';
import { resourcesOf } from '../../daemon/resources.ts';
import { step } from '../../engine/step.ts';

export const buildCommand = step({
  id: 'start.build-command',
  title: 'Build the Command for the execution driver',
  actor: 'daemon',
  then: { symbol: 'populateCommand', file: 'daemon/container.go:191' },
  now: { where: 'moby daemon/oci_linux.go createSpec' },
  needs: ['subject', 'rootfs', 'lease', 'workdir', 'environment', 'kernelFacts'],
  gives: ['command'],
  observe: [],
  run({ subject: { container, hostConfig }, rootfs, lease, workdir, environment, kernelFacts }, { note }) {
    // Without the devices cgroup nothing but this keeps root in the container from a node of the host's disk.
    const guarded = kernelFacts.cgroups === 'v1';
    if (!guarded)
      note(
        'MKNOD is not kept: on cgroup v2 devices are guarded by an eBPF program, which ts-dock does not load. --cap-add MKNOD takes the risk.',
      );
    const command = {
      id: container.ID,
      rootfs,
      entrypoint: container.Path,
      arguments: container.Args,
      workingDir: workdir,
      user: container.Config.User,
      tty: container.Config.Tty,
      readonlyRootfs: hostConfig.ReadonlyRootfs,
      hostname: container.Config.Hostname,
      environment,
      capabilities: keptCapabilities(
        hostConfig.CapAdd,
        guarded ? hostConfig.CapDrop : [...hostConfig.CapDrop, 'MKNOD'],
      ),
      network: lease,
      resources: resourcesOf(container.Config, hostConfig),
      oomScoreAdj: hostConfig.OomScoreAdj,
      init: hostConfig.Init,
    };
    return { command };
  },
});
