/**
 * `update`: other limits for a container, for the next start on disk and at once in the kernel, if it runs. All of it or
 * nothing: what the kernel refuses puts back what was written before it.
 */
import { join } from 'node:path';
import { TsDockError } from '../engine/failure.ts';
import type { Resources } from '../flows/values.ts';
import { KernelError } from '../kernel/calls.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { changeSettings, type Change } from './cgroup-changes.ts';
import { groupPaths } from './cgroups.ts';
import { findContainer, saveContainer, saveHostConfig } from './containers.ts';
import { recordEvent, subjectOf } from './events.ts';
import { notRunning } from './kill.ts';
import { underLock } from './lock.ts';
import type { Config, Container, DeviceRate, HostConfig } from './model.ts';
import type { Place } from './place.ts';
import { resourcesOf } from './resources.ts';
import { LEAST_MEMORY, tooLittleMemory } from './least-memory.ts';
import { supervisedBy } from './supervision.ts';
import { limitError, type Setting } from './cgroup-settings.ts';

/** What was asked for; what is absent stays. */
export interface Asked {
  readonly memory?: number;
  /** -1: no limit. */
  readonly memorySwap?: number;
  readonly cpuShares?: number;
  /** 0: no limit. */
  readonly nanoCpus?: number;
  readonly cpuset?: string;
  /** 0: no limit. */
  readonly pids?: number;
  readonly readIops?: readonly DeviceRate[];
  readonly writeIops?: readonly DeviceRate[];
}

export function updateContainer(sys: Kernel, place: Place, wanted: string, asked: Asked): void {
  const { container: found } = findContainer(sys, place, wanted);
  const { phase } = supervisedBy(sys, place, found);
  if (phase === 'starting') throw notRunning('update', wanted, phase);
  const updated = underLock(sys, place, () => {
    // Read within the lock: others write these files too.
    const { container, hostConfig } = findContainer(sys, place, found.ID);
    const after = changed(wanted, container, hostConfig, asked);
    const putBack = container.State.Running
      ? apply(sys, place, container, resourcesOf(container.Config, hostConfig), after)
      : () => undefined;
    try {
      saveHostConfig(sys, place, container.ID, after.hostConfig);
      saveContainer(sys, place, after.container, after.hostConfig);
    } catch (error) {
      putBack();
      throw error;
    }
    return after.container;
  });
  recordEvent(place, 'update', subjectOf(updated));
}

interface Stored {
  readonly container: Container;
  readonly hostConfig: HostConfig;
}

function changed(wanted: string, container: Container, hostConfig: HostConfig, asked: Asked): Stored {
  const Config = { ...container.Config, ...configOf(wanted, container.Config, asked) };
  return {
    container: { ...container, Config },
    hostConfig: {
      ...hostConfig,
      NanoCpus: asked.nanoCpus ?? hostConfig.NanoCpus,
      PidsLimit: asked.pids ?? hostConfig.PidsLimit,
      BlkioDeviceReadIOps: merged(hostConfig.BlkioDeviceReadIOps, asked.readIops),
      BlkioDeviceWriteIOps: merged(hostConfig.BlkioDeviceWriteIOps, asked.writeIops),
    },
  };
}

function configOf(wanted: string, config: Config, asked: Asked): Partial<Config> {
  const Memory = asked.memory ?? config.Memory;
  const MemorySwap = asked.memorySwap ?? config.MemorySwap;
  if (asked.memory !== undefined && Memory < LEAST_MEMORY) throw tooLittleMemory(Memory);
  if (MemorySwap > 0 && Memory === 0)
    throw refused(wanted, '--memory-swap needs a memory limit', 'Give -m as well.');
  if (MemorySwap > 0 && MemorySwap < Memory)
    throw refused(
      wanted,
      `the memory limit (${Memory} bytes) would be above that of memory and swap together (${MemorySwap} bytes)`,
      'Give --memory-swap as well.',
    );
  return {
    Memory,
    MemorySwap,
    CpuShares: asked.cpuShares ?? config.CpuShares,
    Cpuset: asked.cpuset ?? config.Cpuset,
  };
}

const refused = (wanted: string, why: string, remedy: string): TsDockError =>
  new TsDockError('limit', `cannot update ${wanted}: ${why}`, { remedy });

/** A new rate for a device takes the place of the old one. */
function merged(old: readonly DeviceRate[], asked: readonly DeviceRate[] = []): readonly DeviceRate[] {
  return [...old.filter(({ Path }) => !asked.some((rate) => rate.Path === Path)), ...asked];
}

/** Writes what is different into the group. Gives what puts it back. */
function apply(
  sys: Kernel,
  place: Place,
  container: Container,
  before: Resources,
  after: Stored,
): () => void {
  const paths = groupPaths(sys, place.cgroupParent, container.ID);
  const changes = changeSettings(sys, paths, before, resourcesOf(after.container.Config, after.hostConfig));
  const done: { readonly file: string; readonly old: string }[] = [];
  const putBack = (): void => {
    for (const { file, old } of done.splice(0).reverse()) {
      try {
        sys.writeFile(file, old);
      } catch (error) {
        // Its old value is no longer possible: the group uses more by now. The first error is the one to be told.
        if (!(error instanceof KernelError)) throw error;
      }
    }
  };
  for (const change of changes) {
    const file = fileOf(paths, change.setting);
    try {
      const old = change.old(sys.readIfThere(file) ?? '');
      sys.writeFile(file, change.setting.value);
      done.push({ file, old });
    } catch (error) {
      putBack();
      if (!(error instanceof KernelError)) throw error;
      throw whyNot(sys, file, change, error);
    }
  }
  return putBack;
}

function fileOf(paths: Readonly<Record<string, string>>, setting: Setting): string {
  const folder = paths[setting.controller];
  if (folder === undefined)
    throw limitError(
      setting,
      setting.file,
      `there is no ${setting.controller} hierarchy`,
      undefined,
      UNCHANGED,
    );
  return join(folder, setting.file);
}

const UNCHANGED = 'Nothing was changed: the container has the limits that it had before.';

function whyNot(sys: Kernel, file: string, { setting }: Change, error: KernelError): TsDockError {
  const why = !sys.exists(file)
    ? 'this kernel has no such file here'
    : error.code === 'EBUSY'
      ? `${error.message}: it uses more than that`
      : error.message;
  return limitError(setting, file, why, error, UNCHANGED);
}
