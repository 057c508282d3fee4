/**
 * The options of the command line: which there are, and what they ask for. `run` and `create` share all of it. Commander
 * only collects the texts; they are parsed here, so that every refusal has the same shape.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import {
  EMPTY_CONFIG,
  EMPTY_HOST_CONFIG,
  type Config,
  type CreateRequest,
  type DeviceRate,
  type HostConfig,
} from '../daemon/model.ts';
import type { Asked } from '../daemon/update.ts';
import { DEFAULT_ROOT } from '../daemon/place.ts';
import { TsDockError } from '../engine/failure.ts';
import { environmentOf } from './environment.ts';
import * as value from './option-values.ts';
import { DETACH_KEYS, parseDetachKeys } from './terminal/detach-keys.ts';

/** What commander collects of limits. */
export interface LimitOptions {
  readonly memory?: string;
  readonly memorySwap?: string;
  readonly cpuShares?: string;
  readonly cpus?: string;
  readonly cpusetCpus?: string;
  readonly pidsLimit?: string;
  readonly deviceReadIops?: readonly string[];
  readonly deviceWriteIops?: readonly string[];
}

/** What commander collects for `run` and `create`; texts as the user wrote them. */
export interface ContainerOptions extends LimitOptions {
  readonly name?: string;
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly hostname?: string;
  readonly volume?: readonly string[];
  readonly entrypoint?: string;
  readonly net?: string;
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly readOnly?: boolean;
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly detach?: boolean;
  readonly detachKeys?: string;
  readonly restart?: string;
  readonly stopSignal?: string;
  readonly init?: boolean;
  readonly oomScoreAdj?: string;
  readonly cidfile?: string;
  readonly rm?: boolean;
}

/** Where a run's trace goes when it is over. */
export interface TraceOptions {
  readonly otlp?: string;
  readonly otlpWait?: boolean;
  readonly traceFile?: string;
  readonly traceFormat?: string;
}

/** What commander collects of the options that are ts-dock's own. */
export interface DebuggerOptions extends TraceOptions {
  readonly step?: boolean;
  readonly break?: readonly string[];
  readonly fail?: readonly string[];
  readonly dump?: string;
  readonly trace?: boolean;
  readonly record?: string;
  readonly stepCommands?: string;
  readonly showEnv?: boolean;
}

/** How a run is to be watched. Patterns and failpoints are checked by the engine, against the steps of the flow. */
export interface Watching {
  readonly step: boolean;
  readonly breakpoints: readonly string[];
  readonly failpoints: readonly string[];
  /** Absolute; undefined: no dump. */
  readonly dump: string | undefined;
  readonly trace: boolean;
  /** Absolute; undefined: no recording. */
  readonly record: string | undefined;
  /** Absolute; undefined: commands come from the terminal or from standard input. */
  readonly commandFile: string | undefined;
  /** Values of environment variables are shown and dumped. */
  readonly showEnv: boolean;
  /** Somebody may stop this run. */
  readonly stops: boolean;
}

/** For an option that may be given more than once. */
export const all = (text: string, before: string[] = []): string[] => [...before, text];

/** Of any program in a container, the first one or one that joins. */
export function addProgramFlags(command: Command): Command {
  return command
    .option(
      '-e, --env <name=value>',
      'set a variable; NAME alone takes the value from here (repeatable)',
      all,
    )
    .option('--env-file <file>', 'set the variables of a file, one a line (repeatable)', all)
    .option('-w, --workdir <path>', 'working directory in the container')
    .option('-u, --user <user[:group]>', 'run as this user, by name or number');
}

/** Options stop at the image: what follows belongs to the container. `-h` is the host name, as in Docker. */
export function addContainerFlags(command: Command): Command {
  const named = command
    .helpOption('--help', 'show this help')
    .passThroughOptions()
    .optionsGroup('What runs:')
    .option('--name <name>', 'name of the container; without it, one is drawn');
  const described = addProgramFlags(named)
    .option('--pull <when>', 'fetch the image: always, missing (default), never')
    .option('--entrypoint <program>', "replace the image's entrypoint; '' for none")
    .option('-i, --interactive', 'pass standard input on to the container')
    .option('-t, --tty', 'give the container a terminal')
    .option('--restart <policy>', 'start it again when it ends: no, always, on-failure[:times]')
    .option('--init', 'put a small process 1 in front that reaps and passes signals on')
    .option('--stop-signal <signal>', 'what `stop` asks it to end with (TERM)')
    .option('--cidfile <file>', 'write the id of the container to a new file')
    .optionsGroup('What it sees:')
    .option(
      '-v, --volume <src:dst[:ro]>',
      'show a directory or file of the host in the container (repeatable)',
      all,
    )
    .option('--read-only', 'make the root filesystem read-only')
    .option('--cap-add <name>', 'keep this capability too (repeatable; ALL)', all)
    .option('--cap-drop <name>', 'take this capability away (repeatable; ALL)', all)
    .optionsGroup('Network:')
    .option('--net <mode>', 'bridge (default), none or host')
    .option('-h, --hostname <name>', 'host name of the container')
    .option('--dns <address>', 'name server (repeatable)', all)
    .option('--dns-search <domain>', 'search domain; . for none (repeatable)', all);
  return addLimitFlags(described).option(
    '--oom-score-adj <number>',
    'killed last (-1000) or first (1000) when memory is short',
  );
}

/** What `run` and `create` set, and `update` changes. */
export function addLimitFlags(command: Command): Command {
  return command
    .optionsGroup('Limits:')
    .option('-m, --memory <size>', 'memory: 64m, 1g')
    .option('--memory-swap <size>', 'memory and swap together; -1 for no limit on swap')
    .option('-c, --cpu-shares <weight>', 'weight among those that want the CPU; 1024 is the usual')
    .option('--cpus <number>', 'how many CPUs it may use up: 1.5')
    .option('--cpuset-cpus <list>', 'which CPUs it may run on: 0-2,4')
    .option('--pids-limit <number>', 'how many processes and threads; -1 for no limit')
    .option('--device-read-iops <path:rate>', 'reads per second from a block device (repeatable)', all)
    .option('--device-write-iops <path:rate>', 'writes per second to a block device (repeatable)', all);
}

/** For `run` only: how long it lives, and who looks. */
export function addRunFlags(command: Command): Command {
  return addDetachKeys(
    command
      .optionsGroup('What runs:')
      .option('--rm', 'remove the container after its exit')
      .option('-d, --detach', 'leave it running, and print its id'),
  );
}

export function detachKeysOf(keys: string | undefined): Uint8Array {
  return parseDetachKeys(keys ?? DETACH_KEYS);
}

export function addDetachKeys(command: Command): Command {
  return command.option('--detach-keys <keys>', 'keys to leave a terminal with (ctrl-p,ctrl-q)');
}

export interface ProxyOption {
  readonly sigProxy?: boolean;
}

/** For those that stay in the foreground. */
export function addProxyFlag(command: Command): Command {
  return command
    .optionsGroup('What runs:')
    .option('--sig-proxy <boolean>', 'pass signals on to the program (true)', (text: string) =>
      value.boolean('--sig-proxy', text),
    );
}

export function addDebuggerFlags(command: Command): Command {
  return command
    .optionsGroup('Stepping:')
    .option('--step', 'stop before each step')
    .option('--break <step>', 'stop first at STEP, STEP:after or start.* (repeatable)', all)
    .option('--step-commands <file>', 'take the commands of the stepper from a file, one a line')
    .option('--dump <folder>', 'write what the kernel says, before and after each step')
    .option('--record <file>', 'write all of it to a new file, for `ts-dock replay`')
    .option('--trace', 'print the tree of steps with their times at the end')
    .option('--show-env', 'show the values of environment variables too')
    .option(
      '--fail <step=action>',
      'let a step fail: STEP[:before|:after]=error|kill|delay(MS) (repeatable)',
      all,
    )
    .optionsGroup('Trace:')
    .option('--otlp <url>', 'send the trace to this collector afterwards (OTLP over HTTP)')
    .option('--otlp-wait', 'wait until it is sent, and say whether it was')
    .option('--trace-file <file>', 'write the trace to a file afterwards')
    .option('--trace-format <format>', 'otlp or jaeger; without it, the name of the file decides');
}

/** Of commands that ask a registry. */
export function addInsecureFlag(command: Command): Command {
  return command.option(
    '--insecure-registry <host[:port]>',
    'may be spoken to without TLS; a network too: 10.0.0.0/8 (repeatable; TS_DOCK_INSECURE_REGISTRIES)',
    all,
  );
}

export interface PullOption {
  readonly pull?: string;
}

export type PullWhen = 'always' | 'missing' | 'never';

export function pullWhenOf({ pull = 'missing' }: PullOption): PullWhen {
  if (pull === 'always' || pull === 'missing' || pull === 'never') return pull;
  throw value.expected('--pull', 'always, missing or never', pull);
}

export function addRootFlag(command: Command): Command {
  return command.option('--root <folder>', `where ts-dock keeps its things (TS_DOCK_ROOT; ${DEFAULT_ROOT})`);
}

export function addJsonFlag(command: Command): Command {
  return command.option('--json', 'as JSON, for programs');
}

/** The root: `--root`, else TS_DOCK_ROOT, else Docker's place with our name. Names on the host depend on it, so it is one spelling. */
export function rootOf(
  option: string | undefined,
  ours: Readonly<Record<string, string | undefined>>,
): string {
  const wanted = option ?? ours['TS_DOCK_ROOT'] ?? '';
  if (option === '') throw value.expected('--root', 'a folder', option);
  const root = wanted === '' ? DEFAULT_ROOT : resolve(wanted);
  // Overlay options are separated by commas and colons, mountinfo by blanks: a root with one of them would mount something else.
  if (root === '/' || /[\s:,\\"]/.test(root))
    throw value.expected(
      '--root',
      'a folder other than / without blanks, commas, colons, quotes or backslashes',
      wanted,
    );
  return root;
}

export function watchingOf(options: DebuggerOptions): Watching {
  const path = (option: string, text: string | undefined): string | undefined => {
    if (text === '') throw value.expected(option, 'a path', text);
    return text === undefined ? undefined : resolve(text);
  };
  return {
    step: options.step === true,
    breakpoints: options.break ?? [],
    failpoints: options.fail ?? [],
    dump: path('--dump', options.dump),
    trace: options.trace === true,
    record: path('--record', options.record),
    commandFile: path('--step-commands', options.stepCommands),
    showEnv: options.showEnv === true,
    stops: options.step === true || (options.break ?? []).length > 0,
  };
}

/** What surrounds the command line. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readFile(path: string): string;
}

/** What `run` and `create` were asked for. Throws `bad-usage`; asks the system for nothing but `--env-file`. */
export function requestOf(
  image: string,
  command: readonly string[],
  options: ContainerOptions,
  around: Surroundings,
): CreateRequest {
  if (image === '') throw value.expected('IMAGE', 'the name of an image', image);
  const config = configOf(image, command, options, around);
  const hostConfig = hostConfigOf(options);
  if (options.hostname !== undefined && hostConfig.NetworkMode === 'host') {
    throw new TsDockError('bad-usage', 'cannot use --hostname together with --net host', {
      means: 'With --net host the container has the network, and the host name, of the host.',
      remedy: 'Leave one of the two away.',
    });
  }
  if (
    hostConfig.AutoRemove &&
    hostConfig.RestartPolicy.Name !== '' &&
    hostConfig.RestartPolicy.Name !== 'no'
  ) {
    throw new TsDockError('bad-usage', 'cannot use --rm together with --restart', {
      means: 'One removes the container when it ends, the other starts it again.',
      remedy: 'Leave one of the two away.',
    });
  }
  const name = options.name === undefined ? '' : value.containerName('--name', options.name);
  return { image, name, config, hostConfig };
}

function configOf(
  image: string,
  command: readonly string[],
  options: ContainerOptions,
  around: Surroundings,
): Config {
  const { memory, memorySwap, cpuShares, cpusetCpus, entrypoint } = options;
  const stdin = options.interactive === true;
  const attached = options.detach !== true;
  return {
    ...EMPTY_CONFIG,
    ...(options.hostname === undefined ? {} : value.hostname('--hostname', options.hostname)),
    User: options.user === undefined ? '' : value.user('--user', options.user),
    ...memoryOf(memory, memorySwap),
    CpuShares: cpuShares === undefined ? 0 : value.wholeNumber('--cpu-shares', cpuShares, 0, 262144),
    Cpuset: cpusetCpus === undefined ? '' : value.cpuset('--cpuset-cpus', cpusetCpus),
    AttachStdin: stdin && attached,
    AttachStdout: attached,
    AttachStderr: attached,
    Tty: options.tty === true,
    OpenStdin: stdin,
    StdinOnce: stdin && attached,
    Env: environmentOf({ env: options.env ?? [], envFile: options.envFile ?? [] }, around.env, (path) =>
      around.readFile(path),
    ),
    Cmd: command.length === 0 ? null : [...command],
    Image: image,
    WorkingDir: options.workdir === undefined ? '' : value.workdir('--workdir', options.workdir),
    StopSignal: options.stopSignal === undefined ? '' : stopSignalOf(options.stopSignal),
    Entrypoint: entrypoint === undefined ? null : entrypoint === '' ? [] : [entrypoint],
  };
}

/** As it was written, once it is known to be one. */
function stopSignalOf(text: string): string {
  value.signal('--stop-signal', text);
  return text;
}

/** What `update` was asked for; what was not said is absent. */
export function limitsOf(options: LimitOptions): Asked {
  const { memory, memorySwap, cpuShares, cpus, cpusetCpus, pidsLimit, deviceReadIops, deviceWriteIops } =
    options;
  const rates = (option: string, texts: readonly string[]): DeviceRate[] =>
    texts.map((text) => value.deviceRate(option, text));
  return {
    ...(memory === undefined ? {} : { memory: value.bytes('--memory', memory) }),
    ...(memorySwap === undefined ? {} : { memorySwap: value.bytesOrUnlimited('--memory-swap', memorySwap) }),
    ...(cpuShares === undefined
      ? {}
      : { cpuShares: value.wholeNumber('--cpu-shares', cpuShares, 2, 262144) }),
    ...(cpus === undefined ? {} : { nanoCpus: value.nanoCpus('--cpus', cpus) }),
    ...(cpusetCpus === undefined ? {} : { cpuset: value.cpuset('--cpuset-cpus', cpusetCpus) }),
    ...(pidsLimit === undefined
      ? {}
      : { pids: Math.max(0, value.wholeNumber('--pids-limit', pidsLimit, -1)) }),
    ...(deviceReadIops === undefined ? {} : { readIops: rates('--device-read-iops', deviceReadIops) }),
    ...(deviceWriteIops === undefined ? {} : { writeIops: rates('--device-write-iops', deviceWriteIops) }),
  };
}

function memoryOf(
  memory: string | undefined,
  swap: string | undefined,
): Pick<Config, 'Memory' | 'MemorySwap'> {
  const Memory = memory === undefined ? 0 : value.bytes('--memory', memory);
  const MemorySwap = swap === undefined ? 0 : value.bytesOrUnlimited('--memory-swap', swap);
  if (MemorySwap > 0 && Memory === 0)
    throw value.expected('--memory-swap', 'given together with --memory', swap ?? '');
  if (MemorySwap > 0 && MemorySwap < Memory) {
    throw value.expected(
      '--memory-swap',
      `memory and swap together, so at least --memory (${Memory} bytes)`,
      swap ?? '',
    );
  }
  return { Memory, MemorySwap };
}

function cidFileOf(text: string): string {
  if (text === '') throw value.expected('--cidfile', 'the path of a file that is not there yet', text);
  return resolve(text);
}

function hostConfigOf(options: ContainerOptions): HostConfig {
  const { cpus, pidsLimit, net } = options;
  const pids = pidsLimit === undefined ? 0 : value.wholeNumber('--pids-limit', pidsLimit, -1);
  return {
    ...EMPTY_HOST_CONFIG,
    Binds: value.binds('--volume', options.volume ?? []),
    Dns: (options.dns ?? []).map((text) => value.ipAddress('--dns', text)),
    DnsSearch: (options.dnsSearch ?? []).map((text) => value.searchDomain('--dns-search', text)),
    NetworkMode: net === undefined ? 'bridge' : value.networkMode('--net', net),
    CapAdd: (options.capAdd ?? []).map((text) => value.capability('--cap-add', text)),
    CapDrop: (options.capDrop ?? []).map((text) => value.capability('--cap-drop', text)),
    ReadonlyRootfs: options.readOnly === true,
    NanoCpus: cpus === undefined ? 0 : value.nanoCpus('--cpus', cpus),
    PidsLimit: Math.max(0, pids),
    BlkioDeviceReadIOps: (options.deviceReadIops ?? []).map((text) =>
      value.deviceRate('--device-read-iops', text),
    ),
    BlkioDeviceWriteIOps: (options.deviceWriteIops ?? []).map((text) =>
      value.deviceRate('--device-write-iops', text),
    ),
    AutoRemove: options.rm === true,
    ...(options.restart === undefined
      ? {}
      : { RestartPolicy: value.restartPolicy('--restart', options.restart) }),
    ContainerIDFile: options.cidfile === undefined ? '' : cidFileOf(options.cidfile),
    Init: options.init === true,
    OomScoreAdj:
      options.oomScoreAdj === undefined
        ? 0
        : value.wholeNumber('--oom-score-adj', options.oomScoreAdj, -1000, 1000),
  };
}
