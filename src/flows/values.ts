/**
 * Every value that a step takes or gives, by name. Values are added, never overwritten, and a flow in which a value is
 * taken before somebody gives it does not compile. Values of type {@link Proof} carry order alone: "this happened".
 */
import type { InitConfig } from '../daemon/init-config.ts';
import type {
  Config,
  Container,
  CreateRequest,
  HostConfig,
  Image,
  NetworkMode,
  NetworkState,
  State,
} from '../daemon/model.ts';
import type { Budgets } from '../archive/budgets.ts';
import type { Attachment } from '../daemon/attachment.ts';
import type { Subject } from '../daemon/events.ts';
import type { Layer } from '../daemon/layer-store.ts';
import type { Name } from '../daemon/reference.ts';
import type { Handshake } from '../daemon/handshake.ts';
import type { Attempt } from '../daemon/restart-policy.ts';
import type { Monitor } from '../daemon/monitor.ts';
import type { Ended } from '../kernel/binding.ts';
import type { ImageSet } from '../layouts/image-set.ts';
import type { Opened, Source } from '../layouts/open.ts';
import type { Platform } from '../registry/platform.ts';
import type { Claims } from '../registry/claims.ts';
import type { Fetched } from '../registry/fetch.ts';
import type { ImageName } from '../registry/name.ts';
import type { PlannedLayer, Pulled, PullRequest, RemoteConfig } from '../registry/pull.ts';
import type { Found, Registry } from '../registry/registry.ts';

/** An image that is to be in the store, all of whose ids are known. */
export interface CheckedImage {
  /** 64 hexadecimal digits: the digest of its configuration. */
  readonly id: string;
  readonly configBytes: Uint8Array;
  readonly layers: readonly CheckedLayer[];
  readonly names: readonly Name[];
}

export interface CheckedLayer {
  /** For errors: its archive, and its member there. */
  readonly what: string;
  readonly chainId: string;
  readonly diffId: string;
  /** Bytes of its archive, as it is stored. */
  readonly size: number;
  /** Its archive, from the beginning. */
  open(): AsyncIterable<Uint8Array>;
}

/** What the user was told of. */
export interface RegisteredImage {
  readonly id: string;
  readonly names: readonly Name[];
}

/** `import`: what is said about the archive of a root. */
export interface ImportRequest {
  readonly name: Name | null;
  /** Instructions as in a Dockerfile. */
  readonly changes: readonly string[];
  readonly message: string;
  readonly platform: Platform;
}

/** Proof that something happened which leaves no data behind; `notes` are small facts for the card. */
export interface Proof {
  readonly notes: Readonly<Record<string, unknown>>;
}

export interface BindSpec {
  readonly source: string;
  readonly destination: string;
  readonly writable: boolean;
}

/** The host's bridge, as the kernel has it. */
export interface Bridge {
  readonly name: string;
  readonly index: number;
  readonly address: string;
  readonly prefix: number;
  readonly mtu: number;
}

export interface Lease {
  readonly mode: NetworkMode;
  /** Empty strings and 0 without a network of its own. */
  readonly address: string;
  readonly prefix: number;
  readonly gateway: string;
  readonly bridge: string;
  readonly mtu: number;
}

/** What this kernel can limit and forward, read from the kernel. */
export interface KernelFacts {
  readonly cgroups: 'v1' | 'v2' | 'none';
  readonly memoryLimit: boolean;
  readonly swapLimit: boolean;
  readonly ipv4Forwarding: boolean;
  readonly notes: readonly string[];
}

export interface MountEntry {
  readonly source: string;
  readonly destination: string;
  readonly writable: boolean;
  readonly private: boolean;
}

/** execdriver.Command of Docker 1.2.0. */
export interface Command {
  readonly id: string;
  readonly rootfs: string;
  readonly entrypoint: string;
  readonly arguments: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly tty: boolean;
  readonly readonlyRootfs: boolean;
  readonly hostname: string;
  readonly environment: readonly string[];
  /** Kept capabilities without CAP_. */
  readonly capabilities: readonly string[];
  readonly network: Lease;
  readonly resources: Resources;
  readonly oomScoreAdj: number;
  /** dockerinit stays as process 1 (`--init`). */
  readonly init: boolean;
}

/** What the container's cgroup is asked to hold to; 0 or empty: not asked. Bytes, CPUs times 10^9, operations per second. */
export interface Resources {
  readonly memory: number;
  /** -1: no limit on swap. 0: twice the memory. */
  readonly memorySwap: number;
  readonly cpuShares: number;
  readonly nanoCpus: number;
  readonly cpuset: string;
  readonly pids: number;
  readonly readIops: readonly { readonly device: string; readonly rate: number }[];
  readonly writeIops: readonly { readonly device: string; readonly rate: number }[];
}

/**
 * What becomes 0, 1 and 2 of the container. `inherit`: descriptors of the daemon; `close` lists those opened for it.
 * `monitor`: pipes of its monitor, or a terminal that dockerinit makes.
 */
export type Stdio =
  | {
      readonly by: 'inherit';
      readonly fds: readonly [number, number, number];
      readonly close: readonly number[];
    }
  | { readonly by: 'monitor'; readonly mode: 'tty' | 'pipes'; readonly stdin: boolean };

/** How it ended, and when. */
export interface EndedAt {
  readonly ended: Ended;
  readonly at: number;
}

/** Who waits for the container's end, and how. */
export interface Ending {
  /**
   * Resolves once, with the end and when it was (CLOCK_MONOTONIC, nanoseconds). Rejects with `detached` when the person
   * has left and the container goes on.
   */
  wait(): Promise<EndedAt>;
}

/** The container that is to stop, and its process as it was found. */
export interface StopTarget extends Subject {
  /** The run that supervises it; empty: nobody does, so there is nothing to stop. */
  readonly run: string;
  /** Process 1 on the host, with the time that it was started at; 0 where it has none now. */
  readonly pid: number;
  readonly startTime: string;
  /** Holds on to that process, whoever gets its number later; -1 without one. */
  readonly pidfd: number;
  /** The signal that it wants to be asked with. */
  readonly signal: number;
}

/** What `exec` was asked to run; empty texts: as the container has it. */
export interface ExecRequest {
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  readonly tty: boolean;
  readonly detach: boolean;
}

/** The first process of a container that runs, as state.json has it. */
export interface ExecTarget {
  readonly pid: number;
  readonly startTime: string;
  readonly cgroupPaths: Readonly<Record<string, string>>;
}

/** What `commit` was asked for. */
export interface CommitRequest {
  readonly author: string;
  readonly message: string;
  /** Lines as of a Dockerfile: `CMD ["sh"]`. */
  readonly changes: readonly string[];
  readonly pause: boolean;
  /** The name for the image; null: none. */
  readonly name: { readonly repository: string; readonly tag: string } | null;
}

/** What `cp` or `export` was asked for. Paths keep the `/` or `/.` at their end, which says something. */
export interface CopyRequest {
  /** `path`: with its volumes, as the container sees it. `layers`: the whole tree, and nothing that is mounted in it. */
  readonly what: 'path' | 'layers';
  readonly direction: 'out' | 'in';
  /** In the container, absolute. */
  readonly inside: string;
  /** On this host, absolute; null: the archive goes to, or comes from, a stream. */
  readonly here: string | null;
  /** Owners are kept. */
  readonly archive: boolean;
  readonly followLinks: boolean;
  /** Whose files they become on this host. */
  readonly uid: number;
  readonly gid: number;
}

/** Where an archive comes from or goes to. */
export interface CopyStream {
  read(): AsyncIterable<Uint8Array>;
  /** A promise where there is no room now. */
  write(bytes: Uint8Array): Promise<void> | undefined;
}

/** The container that is copied from or to. */
export interface CopyTarget extends Subject {
  readonly stored: { readonly container: Container; readonly hostConfig: HostConfig };
  /** Process 1, with the time that it was started at; 0 where it does not run, and cannot be started meanwhile. */
  readonly pid: number;
  readonly startTime: string;
  /** Holds on to that process; -1 without one. */
  readonly pidfd: number;
}

/** Whoever has the person's terminal, and joins it to the container's. Takes over the master. */
export interface TerminalJoiner {
  /** Of the person's terminal, so that the program finds it when it starts; undefined without one. */
  size(): { readonly rows: number; readonly columns: number } | undefined;
  join(master: number, ended: Promise<unknown>): Promise<'ended' | 'detached'>;
}

export interface Values {
  // --- given at the start -------------------------------------------------------------------------------------------
  request: CreateRequest;
  /** Which container to start: an id, a unique prefix of one, or a name. */
  wanted: string;
  /** What a restart policy asks for. */
  attempt: Attempt;
  execRequest: ExecRequest;
  /** Null where nobody looks on. */
  terminalJoiner: TerminalJoiner | null;

  // --- host ---------------------------------------------------------------------------------------------------------
  bridge: Bridge | null;
  forwarding: Proof;
  firewall: Proof;
  /** Path of the private copy of dockerinit. */
  dockerinit: string;
  cgroupParent: Proof;

  // --- create -------------------------------------------------------------------------------------------------------
  resourcesChecked: { readonly config: Config; readonly warnings: readonly string[] };
  image: Image;
  /** Layer ids from the image down to its base. */
  ancestry: readonly string[];
  mergedConfig: Config;
  identity: { readonly id: string; readonly name: string };
  container: Container;
  createHostConfig: HostConfig;
  initLayer: string;
  rwLayer: string;
  persisted: { readonly config: string; readonly hostConfig: string };
  /** How the container is found: its shortest unique id prefix, and how many containers contStore holds. */
  registered: { readonly id: string; readonly prefix: string; readonly containers: number };

  // --- start, by a restart policy ------------------------------------------------------------------------------------
  backedOff: Proof;

  // --- start --------------------------------------------------------------------------------------------------------
  /** The container as contStore has it. */
  subject: { readonly container: Container; readonly hostConfig: HostConfig };
  binds: readonly BindSpec[];
  resolvConf: { readonly path: string; readonly nameservers: readonly string[]; readonly why: string };
  rootfs: string;
  lease: Lease;
  hostsFiles: { readonly hosts: string; readonly hostname: string };
  kernelFacts: KernelFacts;
  volumes: {
    readonly paths: Readonly<Record<string, string>>;
    readonly writable: Readonly<Record<string, boolean>>;
  };
  workdir: string;
  environment: readonly string[];
  command: Command;
  mountTable: readonly MountEntry[];
  initConfig: InitConfig;
  stdio: Stdio;
  /** `execdriver/native/<id>`, where container.json and state.json lie. */
  bundle: string;
  /** Descriptor of the sealed copy of dockerinit. */
  sealedInit: number;

  // --- launch, where the container may outlive ts-dock; null and null where ts-dock is the parent -------------------------
  monitor: Monitor | null;
  /** The person's end of the container's streams; null where nobody looks (`-d`). */
  attachment: Attachment | null;

  // --- launch -------------------------------------------------------------------------------------------------------
  syncPipe: { readonly parent: number; readonly child: number };
  commandLine: { readonly argv: readonly string[]; readonly flags: number };
  child: { readonly pid: number; readonly pidfd: number };
  handshake: Handshake;
  ending: Ending;
  startTime: string;
  /** Subsystem to directory of the container's cgroup. */
  cgroupPaths: Readonly<Record<string, string>>;
  networkState: NetworkState;
  networkSent: Proof;
  stateFile: string;
  ready: Proof;
  running: State;

  // --- init: one proof per step of dockerinit -----------------------------------------------------------------------
  argsRead: Proof;
  configLoaded: Proof;
  envLoaded: Proof;
  cgroupsJoined: Proof;
  networkStateRead: Proof;
  sessionLed: Proof;
  networkUp: Proof;
  mountsPrivate: Proof;
  rootfsBound: Proof;
  systemMounted: Proof;
  bindsMounted: Proof;
  devicesMade: Proof;
  consoleMade: Proof;
  devLinked: Proof;
  jailed: Proof;
  nullReopened: Proof;
  rootReadonly: Proof;
  umaskSet: Proof;
  hostnameSet: Proof;
  lsmSet: Proof;
  restricted: Proof;
  rlimitsSet: Proof;
  seccompSet: Proof;
  descriptorsMarked: Proof;
  boundingDropped: Proof;
  userSwitched: Proof;
  capabilitiesDropped: Proof;
  directoryChanged: Proof;
  execd: Proof;

  // --- exit ---------------------------------------------------------------------------------------------------------
  ended: Ended;
  recorded: State;

  // --- stop ---------------------------------------------------------------------------------------------------------
  /** Seconds between asking and killing; -1: as long as it takes. Given at the start. */
  patience: number;
  target: StopTarget;
  stopRequested: Proof;
  thawed: Proof;
  asked: Proof;
  /** Whether its process ended by itself. */
  obeyed: boolean;
  killed: Proof;
  /** How it stands on disk afterwards; null: it went with its run (`--rm`). */
  stopped: State | null;
  // --- exec ---------------------------------------------------------------------------------------------------------
  execTarget: ExecTarget;
  /** A pidfd of the target, and the namespaces that it had when that was opened, by name. */
  held: { readonly pidfd: number; readonly namespaces: Readonly<Record<string, string>> };
  /** The process that joins; it forks, and the second one is `child`. */
  joiner: { readonly pid: number; readonly pidfd: number };
  namespacesJoined: Proof;
  mountsJoined: Proof;
  procOpened: Proof;
  /** Reaped as soon as it ends, also while the run stands still: a zombie would keep the container from ending. */
  childEnd: {
    readonly ended: Promise<Ended>;
    /** It has ended, and never became the program. */
    diedAsInit(): boolean;
  };
  /** Descriptor of the terminal's master, null without one. */
  terminal: number | null;
  /** The program goes on without us. */
  left: Proof;

  // --- pull ---------------------------------------------------------------------------------------------------------
  /** Given at the start. */
  pullRequest: PullRequest;
  imageName: ImageName;
  registry: Registry;
  registryFound: Found;
  /** As whom, and how. */
  authenticated: string;
  remoteManifest: Fetched;
  remoteConfig: RemoteConfig;
  /** Held until the pull is over, however it ends. */
  claims: Claims;
  layerPlan: readonly PlannedLayer[];
  layersFetched: Proof;
  pulledLayers: readonly Layer[];
  pulledImage: Image;
  pulled: Pulled;

  // --- load ---------------------------------------------------------------------------------------------------------
  /** Where the images, or the root of one, come from. Given at the start. */
  imageSource: Source;
  /** Given at the start. */
  budgets: Budgets;
  /** Which images of several are meant; null: those that run here. Given at the start. */
  platform: Platform | null;
  /** Given at the start. */
  importRequest: ImportRequest;
  /** Open until the end of the run, which closes it. */
  archive: Opened;
  imageSet: ImageSet;
  checkedImages: readonly CheckedImage[];
  layersReady: Proof;
  registeredImages: readonly RegisteredImage[];
  imagesTagged: Proof;
  /** The one layer of an image that is imported. */
  rootLayer: Layer;

  // --- commit -------------------------------------------------------------------------------------------------------
  /** What was asked for. Given at the start. */
  commitRequest: CommitRequest;
  /** The container, and whether it is to stand still meanwhile. */
  commitSource: Subject & { readonly container: Container; readonly pausing: boolean };
  paused: Proof;
  layer: Layer;
  resumed: Proof;
  committed: { readonly id: string };
  tagged: Proof;

  // --- cp -----------------------------------------------------------------------------------------------------------
  /** What was asked for, and the person's end of an archive. Given at the start. */
  copyRequest: CopyRequest;
  copyStream: CopyStream;
  copyTarget: CopyTarget;
  /** Descriptor of the container's root. */
  copyRoot: number;
  /** Bytes of files that went over, or of the archive where it goes to or comes from a stream. */
  copied: { readonly bytes: number };
}

export type ValueName = keyof Values;
