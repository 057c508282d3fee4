import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';
import { kernelFacts, memoryWarnings } from '../../daemon/kernel-facts.ts';

/** Docker 1.2.0's: 512 KiB. Below it not even the kernel's own bookkeeping fits. */
const LEAST_MEMORY = 512 * 1024;

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
    if (config.Memory !== 0 && config.Memory < LEAST_MEMORY) {
      throw new TsDockError(
        'limit',
        `cannot limit memory to ${config.Memory.toString()} bytes: Minimum memory limit allowed is 512k`,
        {
          means: 'With less, not even the first process could start.',
          remedy: 'Give -m at least 512k; most programs need some megabytes.',
        },
      );
    }
    const warnings = memoryWarnings(config, kernelFacts(sys, place));
    for (const text of warnings) warn(text);
    note(
      config.Memory === 0 ? 'No memory limit is asked for.' : `Memory: ${config.Memory.toString()} bytes.`,
    );
    return { resourcesChecked: { config, warnings } };
  },
});
