import { step } from '../../engine/step.ts';
import { kernelFacts, memoryWarnings } from '../../daemon/kernel-facts.ts';
import { LEAST_MEMORY, tooLittleMemory } from '../../daemon/least-memory.ts';

export const checkResources = step({
  id: 'create.check-resources',
  title: 'Check the limits that are asked for',
  actor: 'daemon',
  then: { symbol: 'ContainerCreate', file: 'daemon/create.go:18' },
  now: { where: 'moby daemon/daemon_unix.go verifyPlatformContainerResources (least memory there: 6 MiB)' },
  needs: ['request'],
  gives: ['resourcesChecked'],
  observe: [],
  run({ request: { config } }, { sys, place, warn, note }) {
    if (config.Memory !== 0 && config.Memory < LEAST_MEMORY) throw tooLittleMemory(config.Memory);
    const warnings = memoryWarnings(config, kernelFacts(sys, place));
    for (const text of warnings) warn(text);
    note(
      config.Memory === 0 ? 'No memory limit is asked for.' : `Memory: ${config.Memory.toString()} bytes.`,
    );
    return { resourcesChecked: { config, warnings } };
  },
});
