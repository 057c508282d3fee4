/**
 * The nouns as they stand on disk, with Docker 1.2.0's names, nesting and key order.
 * Keys that 1.2.0 did not have yet come last and bear the names that Docker gave them later.
 */

import type { Attempt } from './restart-policy.ts';

/** runconfig.Config: what is to run, from the command line, from an image, or both merged. Memory in bytes. */
export interface Config {
  readonly Hostname: string;
  readonly Domainname: string;
  readonly User: string;
  readonly Memory: number;
  /** Memory plus swap in bytes; -1 no limit on swap, 0 not said (then twice the memory). */
  readonly MemorySwap: number;
  readonly CpuShares: number;
  readonly Cpuset: string;
  readonly AttachStdin: boolean;
  readonly AttachStdout: boolean;
  readonly AttachStderr: boolean;
  readonly PortSpecs: null;
  readonly ExposedPorts: Readonly<Record<string, Record<string, never>>> | null;
  readonly Tty: boolean;
  readonly OpenStdin: boolean;
  readonly StdinOnce: boolean;
  readonly Env: readonly string[];
  /** null: not said. */
  readonly Cmd: readonly string[] | null;
  readonly Image: string;
  readonly Volumes: Readonly<Record<string, Record<string, never>>> | null;
  readonly WorkingDir: string;
  /** null: not said; empty: the image's is to be forgotten. */
  readonly Entrypoint: readonly string[] | null;
  readonly NetworkDisabled: boolean;
  readonly OnBuild: readonly string[] | null;
  // Later names.
  /** `TERM`, `SIGTERM` or a number; empty: SIGTERM. What `stop` sends first. */
  readonly StopSignal: string;
}

export type NetworkMode = 'bridge' | 'none' | 'host';

/** A rate for one block device of the host. */
export interface DeviceRate {
  /** Absolute path of the device node on the host. */
  readonly Path: string;
  /** Operations per second. */
  readonly Rate: number;
}

/** runconfig.HostConfig: what ties a container to this host. Never taken from an image. */
export interface HostConfig {
  /** `src:dst[:mode]` as the user wrote it. */
  readonly Binds: readonly string[];
  readonly ContainerIDFile: string;
  readonly Privileged: boolean;
  readonly PortBindings: Readonly<Record<string, never>>;
  readonly Links: null;
  readonly PublishAllPorts: boolean;
  readonly Dns: readonly string[];
  readonly DnsSearch: readonly string[];
  readonly VolumesFrom: null;
  readonly Devices: readonly never[];
  readonly NetworkMode: NetworkMode;
  readonly CapAdd: readonly string[];
  readonly CapDrop: readonly string[];
  readonly RestartPolicy: { readonly Name: string; readonly MaximumRetryCount: number };
  // Later names.
  readonly ReadonlyRootfs: boolean;
  /** CPUs times 10^9, 0 without a limit. */
  readonly NanoCpus: number;
  /** 0 without a limit. */
  readonly PidsLimit: number;
  readonly BlkioDeviceReadIOps: readonly DeviceRate[];
  readonly BlkioDeviceWriteIOps: readonly DeviceRate[];
  /** `--rm`: the container is removed after its exit. */
  readonly AutoRemove: boolean;
  /** dockerinit stays as process 1, reaps and passes signals on. */
  readonly Init: boolean;
  /** From -1000 (never) to 1000 (first): whom the kernel kills when memory is short. */
  readonly OomScoreAdj: number;
}

export interface State {
  readonly Running: boolean;
  readonly Paused: boolean;
  readonly Restarting: boolean;
  /** Host pid of the container's pid 1, 0 when it does not run. */
  readonly Pid: number;
  readonly ExitCode: number;
  /** RFC 3339 with nanoseconds; `0001-01-01T00:00:00Z` for never, as Go writes its zero time. */
  readonly StartedAt: string;
  readonly FinishedAt: string;
  // Later names.
  /** The kernel killed a process of it for want of memory, since its last start. */
  readonly OOMKilled: boolean;
  /** Somebody asked for its end (`stop`, `kill`, `rm -f`) since its last start: no restart policy may bring it back. */
  readonly StopRequested: boolean;
}

export const NEVER = '0001-01-01T00:00:00Z';

/** Of a container that was never started. */
export const EMPTY_STATE: State = {
  Running: false,
  Paused: false,
  Restarting: false,
  Pid: 0,
  ExitCode: 0,
  StartedAt: NEVER,
  FinishedAt: NEVER,
  OOMKilled: false,
  StopRequested: false,
};

export interface NetworkSettings {
  readonly IPAddress: string;
  readonly IPPrefixLen: number;
  readonly Gateway: string;
  readonly Bridge: string;
  readonly PortMapping: null;
  readonly Ports: Readonly<Record<string, never>>;
}

/** `config.json`. */
export interface Container {
  readonly ID: string;
  readonly Created: string;
  /** The resolved command: its first word, and the rest. */
  readonly Path: string;
  readonly Args: readonly string[];
  readonly Config: Config;
  readonly State: State;
  /** Image id, 64 hexadecimal digits. */
  readonly Image: string;
  readonly NetworkSettings: NetworkSettings;
  readonly ResolvConfPath: string;
  readonly HostnamePath: string;
  readonly HostsPath: string;
  /** With a leading slash. */
  readonly Name: string;
  readonly Driver: string;
  readonly ExecDriver: string;
  readonly MountLabel: string;
  readonly ProcessLabel: string;
  readonly RestartCount: number;
  /** Destination to host path. */
  readonly Volumes: Readonly<Record<string, string>>;
  readonly VolumesRW: Readonly<Record<string, boolean>>;
  /** What led to its present run, where a restart policy did: memory of the daemon in 1.2.0. */
  readonly Attempt?: Attempt;
}

/** `graph/<id>/json`. */
export interface Image {
  readonly id: string;
  readonly parent?: string;
  readonly comment?: string;
  readonly created: string;
  readonly author?: string;
  readonly config?: Partial<Config>;
  readonly architecture?: string;
  readonly os?: string;
  readonly Size: number;
}

/** `state.json` (3.8). */
export interface RuntimeState {
  readonly init_pid: number;
  /** Field 22 of /proc/PID/stat, as text. */
  readonly init_start_time: string;
  readonly network_state: NetworkState;
  /** Subsystem to directory; on cgroup v2 the one key `unified`. */
  readonly cgroup_paths: Readonly<Record<string, string>>;
}

export interface NetworkState {
  readonly veth_host?: string;
  readonly veth_child?: string;
  readonly ns_path?: string;
}

/** What `run` and `create` were asked for, checked at the command line. */
export interface CreateRequest {
  /** As the user wrote it: `name[:tag]` or an id prefix. */
  readonly image: string;
  /** Wanted name without slash; empty: ts-dock draws one. */
  readonly name: string;
  readonly config: Config;
  readonly hostConfig: HostConfig;
}

/** A Config in which nothing was said. */
export const EMPTY_CONFIG: Config = {
  Hostname: '',
  Domainname: '',
  User: '',
  Memory: 0,
  MemorySwap: 0,
  CpuShares: 0,
  Cpuset: '',
  AttachStdin: false,
  AttachStdout: true,
  AttachStderr: true,
  PortSpecs: null,
  ExposedPorts: null,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: [],
  Cmd: null,
  Image: '',
  Volumes: null,
  WorkingDir: '',
  Entrypoint: null,
  NetworkDisabled: false,
  OnBuild: null,
  StopSignal: '',
};

/** A HostConfig in which nothing was said. */
export const EMPTY_HOST_CONFIG: HostConfig = {
  Binds: [],
  ContainerIDFile: '',
  Privileged: false,
  PortBindings: {},
  Links: null,
  PublishAllPorts: false,
  Dns: [],
  DnsSearch: [],
  VolumesFrom: null,
  Devices: [],
  NetworkMode: 'bridge',
  CapAdd: [],
  CapDrop: [],
  RestartPolicy: { Name: '', MaximumRetryCount: 0 },
  ReadonlyRootfs: false,
  NanoCpus: 0,
  PidsLimit: 0,
  BlkioDeviceReadIOps: [],
  BlkioDeviceWriteIOps: [],
  AutoRemove: false,
  Init: false,
  OomScoreAdj: 0,
};
