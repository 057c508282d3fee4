/** What a container's cgroup is asked to hold to, gathered from its two configurations. */
import type { Resources } from '../flows/values.ts';
import type { Config, DeviceRate, HostConfig } from './model.ts';

/** Nothing is asked of the cgroup. */
export const NO_RESOURCES: Resources = {
  memory: 0,
  memorySwap: 0,
  cpuShares: 0,
  nanoCpus: 0,
  cpuset: '',
  pids: 0,
  readIops: [],
  writeIops: [],
};

export function resourcesOf(config: Config, hostConfig: HostConfig): Resources {
  const rates = (list: readonly DeviceRate[]): Resources['readIops'] =>
    list.map(({ Path, Rate }) => ({ device: Path, rate: Rate }));
  return {
    memory: config.Memory,
    memorySwap: config.MemorySwap,
    cpuShares: config.CpuShares,
    nanoCpus: hostConfig.NanoCpus,
    cpuset: config.Cpuset,
    pids: hostConfig.PidsLimit,
    readIops: rates(hostConfig.BlkioDeviceReadIOps),
    writeIops: rates(hostConfig.BlkioDeviceWriteIOps),
  };
}
