/**
 * The shape of `container.json`, the libcontainer.Config that the daemon writes and dockerinit reads
 * (names and nesting as Docker 1.2.0's). What 1.2.0 had no word for stands under `today`.
 * The file is trusted: everything in it was checked here first. Keys are always written, also when empty.
 */

export interface BindMount {
  readonly type: 'bind';
  /** Absolute path on the host. */
  readonly source: string;
  /** Absolute path in the container; resolved beneath the rootfs by openat2. */
  readonly destination: string;
  readonly writable: boolean;
  readonly private: boolean;
}

export interface DeviceNode {
  /** Character device 99, block device 98: a Go rune as Docker's JSON had it. */
  readonly type: 99 | 98;
  readonly path: string;
  readonly major_number: number;
  readonly minor_number: number;
  readonly cgroup_permissions: string;
  /** Permission bits, decimal. */
  readonly file_mode: number;
}

export type InitNetwork =
  | {
      readonly type: 'loopback';
      readonly address: '127.0.0.1/0';
      readonly gateway: 'localhost';
      readonly mtu: number;
    }
  | {
      readonly type: 'veth';
      readonly bridge: string;
      readonly veth_prefix: string;
      /** `a.b.c.d/len`; dockerinit renames the child's end to eth0 and gives it this. */
      readonly address: string;
      readonly gateway: string;
      readonly mtu: number;
    };

export interface Rlimit {
  /** As in the OCI runtime specification: `RLIMIT_NOFILE`. */
  readonly type: string;
  readonly soft: number;
  readonly hard: number;
}

export interface InitConfig {
  readonly mount_config: {
    readonly mounts: readonly BindMount[];
    readonly device_nodes: readonly DeviceNode[];
    readonly readonly_fs: boolean;
    readonly mount_label: string;
  };
  readonly hostname: string;
  /** As the user or image wrote it: `name`, `uid`, `user:group`; empty is root. Looked up inside the container by dockerinit. */
  readonly user: string;
  readonly working_dir: string;
  readonly environment: readonly string[];
  readonly namespaces: {
    readonly NEWNS: boolean;
    readonly NEWUTS: boolean;
    readonly NEWIPC: boolean;
    readonly NEWPID: boolean;
    readonly NEWNET: boolean;
  };
  /** Kept capabilities without CAP_, e.g. `CHOWN`; intersected with the bounding set that dockerinit finds. */
  readonly capabilities: readonly string[];
  readonly networks: readonly InitNetwork[];
  readonly tty: boolean;
  /** AppArmor profile for exec; empty: none. */
  readonly apparmor_profile: string;
  readonly process_label: string;
  /** Read-only and masked paths of /proc and /sys apply. */
  readonly restrict_sys: boolean;
  readonly today: {
    /** Paths that are hidden: a file by the container's /dev/null (verified as 1:3, bound by descriptor), a directory by an empty read-only tmpfs. */
    readonly masked_paths: readonly string[];
    /** Paths that become read-only bind mounts of themselves. */
    readonly readonly_paths: readonly string[];
    readonly rlimits: readonly Rlimit[];
    /** Size of /dev/shm in bytes. */
    readonly shm_size: number;
    /** Whether the small deny list of init.seccomp is installed. */
    readonly seccomp: boolean;
    /** Written to /proc/self/oom_score_adj; 0: left as it is inherited. */
    readonly oom_score_adj: number;
    /** Of the terminal, from its first moment on; 0: not known. */
    readonly console_rows: number;
    readonly console_columns: number;
    /** dockerinit stays as process 1, reaps, and passes signals on to the program. */
    readonly init: boolean;
  };
}
