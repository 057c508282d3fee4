import { kernelFacts as factsOf, memoryWarnings } from '../../daemon/kernel-facts.ts';
import { step } from '../../engine/step.ts';

export const verifyKernel = step({
  id: 'start.verify-kernel',
  title: 'Check what this kernel can limit and forward',
  actor: 'daemon',
  then: { symbol: 'verifyDaemonSettings', file: 'daemon/container.go:936' },
  now: { where: 'moby daemon/daemon_unix.go verifyPlatformContainerSettings' },
  needs: ['subject'],
  gives: ['kernelFacts'],
  observe: ['cgroups'],
  run({ subject: { container, hostConfig } }, { sys, place, note, warn }) {
    const kernelFacts = factsOf(sys, place);
    for (const line of kernelFacts.notes) note(line);
    // 1.2.0 discarded a limit that it could not set and told the daemon's log. launch.cgroups refuses it instead.
    for (const text of memoryWarnings(container.Config, kernelFacts)) warn(text);
    if (hostConfig.NetworkMode === 'bridge' && !kernelFacts.ipv4Forwarding)
      warn('IPv4 forwarding is off: the container reaches this host, but nothing beyond it.');
    return { kernelFacts };
  },
});
