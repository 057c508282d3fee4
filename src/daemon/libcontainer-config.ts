/** From a Command to `container.json`: Docker 1.2.0's template (default_template.go, devices/defaults.go), with today's lists. */
import type { TerminalSize } from '../engine/step.ts';
import type { Command, MountEntry } from '../flows/values.ts';
import type { DeviceNode, InitConfig, InitNetwork } from './init-config.ts';
import { MASKED_PATHS, READONLY_PATHS } from './restricted-paths.ts';

const node = (path: string, major: number, minor: number): DeviceNode => ({
  type: 99,
  path,
  major_number: major,
  minor_number: minor,
  cgroup_permissions: 'rwm',
  file_mode: 0o666,
});

/** 1.2.0 made /dev/fuse too, with no permission bits: it was there for the eyes of one Java runtime. */
const DEVICES: readonly DeviceNode[] = [
  node('/dev/null', 1, 3),
  node('/dev/zero', 1, 5),
  node('/dev/full', 1, 7),
  node('/dev/tty', 5, 0),
  node('/dev/urandom', 1, 9),
  node('/dev/random', 1, 8),
];

const SHM_SIZE = 64 * 1024 * 1024;

/** @param size - of the person's terminal, where there is one. */
export function initConfigOf(
  command: Command,
  mounts: readonly MountEntry[],
  size?: TerminalSize,
): InitConfig {
  const isolated = command.network.mode !== 'host';
  return {
    mount_config: {
      mounts: mounts.map((mount) => ({ type: 'bind', ...mount })),
      device_nodes: DEVICES,
      readonly_fs: command.readonlyRootfs,
      mount_label: '',
    },
    hostname: command.hostname,
    user: command.user,
    working_dir: command.workingDir,
    environment: command.environment,
    namespaces: { NEWNS: true, NEWUTS: true, NEWIPC: true, NEWPID: true, NEWNET: isolated },
    capabilities: command.capabilities,
    networks: networksOf(command),
    tty: command.tty,
    apparmor_profile: '',
    process_label: '',
    restrict_sys: true,
    today: {
      masked_paths: MASKED_PATHS.map(({ path }) => path),
      readonly_paths: READONLY_PATHS.map(({ path }) => path),
      rlimits: [],
      shm_size: SHM_SIZE,
      seccomp: true,
      oom_score_adj: command.oomScoreAdj,
      console_rows: size?.rows ?? 0,
      console_columns: size?.columns ?? 0,
      init: command.init,
    },
  };
}

function networksOf({ network }: Command): InitNetwork[] {
  if (network.mode === 'host') return [];
  const loopback: InitNetwork = { type: 'loopback', address: '127.0.0.1/0', gateway: 'localhost', mtu: 1500 };
  if (network.mode === 'none') return [loopback];
  const { bridge, address, prefix, gateway, mtu } = network;
  return [
    loopback,
    { type: 'veth', bridge, veth_prefix: 'veth', address: `${address}/${prefix.toString()}`, gateway, mtu },
  ];
}
