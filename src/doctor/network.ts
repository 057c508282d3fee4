/** The network of the host: what ts-dock would take of it, and what others do there. Read; rules are tried elsewhere. */
import { drawRange, findBridge } from '../daemon/bridge.ts';
import { trialText } from '../daemon/firewall.ts';
import { parseSave, type SavedFirewall } from '../daemon/firewall-rules.ts';
import { rangeText } from '../daemon/ipv4.ts';
import type { Place } from '../daemon/place.ts';
import { KernelError } from '../kernel/calls.ts';
import { AT_FDCWD, O } from '../kernel/flags.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { differs, missing, ok, unknown, type Check, type Verdict } from './check.ts';

const NO_NAT = 'Containers reach this host and each other, but nothing beyond.';
const FORWARD = '/proc/sys/net/ipv4/ip_forward';

export const network: readonly Check[] = [
  { id: 'network.bridge', title: 'Bridge and its range', look: ({ sys, place }) => bridge(sys, place) },
  { id: 'network.links', title: 'Bridge and veth', needsRoot: true, look: ({ sys }) => links(sys) },
  {
    id: 'network.iptables',
    title: 'iptables',
    needsRoot: true,
    look: ({ sys, place }) => backend(sys, place),
  },
  { id: 'network.forward-policy', title: 'FORWARD policy', needsRoot: true, look: ({ sys }) => policy(sys) },
  { id: 'network.docker', title: 'Docker’s chains', needsRoot: true, look: ({ sys }) => docker(sys) },
  { id: 'network.forwarding', title: 'ip_forward', look: ({ sys, isRoot }) => forwarding(sys, isRoot) },
];

function bridge(sys: Kernel, place: Place): Verdict {
  const dump = sys.network();
  const whole = findBridge(dump, place);
  if (whole !== undefined)
    return ok(`${whole.name} is there, with ${rangeText(whole)}`, { brief: rangeText(whole) });
  const range = drawRange(sys, dump, place);
  if (range !== undefined)
    return ok(`${place.bridge} would get ${rangeText(range)}`, { brief: rangeText(range) });
  return missing('no range is free', {
    means:
      'Every range on the list overlaps a route or a resolver of this host: --net none and --net host are left.',
    remedy: 'Free one of them; `ts-dock explain host.bridge` has the list.',
    brief: 'no free range',
  });
}

/** In a network namespace that ends with the program: the kernel loads its modules, nothing else changes. */
function inOwnNamespace(
  sys: Kernel,
  program: string,
  args: readonly string[],
  input?: string,
): string | undefined {
  const unshare = sys.findProgram('unshare');
  if (unshare === undefined) return 'there is no unshare to try it with';
  const ran = sys.exec(unshare, ['--net', program, ...args], input);
  if (ran.status === 0) return undefined;
  return (
    ran.stderr
      .trim()
      .split('\n')
      .find((line) => !line.startsWith('Warning')) ?? `it ended with ${ran.status}`
  );
}

function links(sys: Kernel): Verdict {
  const ip = sys.findProgram('ip');
  if (ip === undefined || sys.findProgram('unshare') === undefined)
    return unknown('there is no ip and unshare to try it with', {
      remedy: 'Install iproute2 and util-linux.',
    });
  const lacking = [
    ['bridge', ['link', 'add', 'doctor0', 'type', 'bridge']],
    ['veth', ['link', 'add', 'doctor0', 'type', 'veth', 'peer', 'doctor1']],
  ] as const;
  const refused = lacking
    .filter(([, args]) => inOwnNamespace(sys, ip, args) !== undefined)
    .map(([kind]) => kind);
  if (refused.length === 0) return ok('tried: both kinds can be made');
  return missing(`the kernel makes no ${refused.join(' and no ')}`, {
    means: '--net none and --net host are left.',
    remedy: `\`modprobe ${refused.join(' ')}\``,
    brief: `no ${refused.join(',')}`,
  });
}

function saved(sys: Kernel): SavedFirewall | undefined {
  const program = sys.findProgram('iptables-save');
  const ran = program === undefined ? undefined : sys.exec(program, ['-c']);
  return ran?.status === 0 ? parseSave(ran.stdout) : undefined;
}

function backend(sys: Kernel, place: Place): Verdict {
  const program = sys.findProgram('iptables');
  const restore = sys.findProgram('iptables-restore');
  if (program === undefined || restore === undefined)
    return missing('is not installed', {
      means: NO_NAT,
      remedy: 'Install the package iptables.',
      brief: 'no iptables',
    });
  const [, version = '?', kind = 'legacy'] =
    /v([\d.]+)(?: \((\w+)\))?/.exec(sys.exec(program, ['-V']).stdout) ?? [];
  const brief = `iptables ${version} ${kind}`;
  const refusal = inOwnNamespace(sys, restore, ['-w', '--noflush'], trialText(place));
  if (refusal !== undefined && sys.findProgram('unshare') === undefined)
    return unknown(`${version} (${kind}), not tried`, { brief });
  if (refusal !== undefined)
    return missing(`${version} (${kind}): ${refusal}`, {
      means: NO_NAT,
      remedy:
        'Load what it lacks (nf_tables or ip_tables, nf_nat, nf_conntrack, xt_comment, xt_MASQUERADE), or choose the other backend with `update-alternatives --config iptables`.',
      brief: `${brief} refused`,
    });
  // Both can hold rules at once, and the kernel walks both: what one drops the other cannot save.
  const other = kind === 'nf_tables' ? (sys.readIfThere('/proc/net/ip_tables_names') ?? '').trim() : '';
  if (other !== '')
    return differs(`${version} (${kind}), and legacy tables as well: ${other.split('\n').join(', ')}`, {
      means:
        'The kernel walks both sets: what a legacy rule drops stays dropped, and `iptables -S` does not show it.',
      remedy: 'Look with `iptables-legacy -S`.',
      brief: `${brief}+legacy`,
    });
  return ok(`${version} (${kind}): our rules tried in a namespace of their own`, { brief });
}

function policy(sys: Kernel): Verdict {
  const firewall = saved(sys);
  if (firewall === undefined) return unknown('iptables-save is not there, or refuses');
  const chain = firewall.chains.find((each) => each.table === 'filter' && each.chain === 'FORWARD');
  const seen = chain?.policy ?? 'ACCEPT';
  const brief = `FORWARD ${seen}`;
  if (seen === 'ACCEPT') return ok(chain === undefined ? 'ACCEPT (no rule was ever made)' : seen, { brief });
  return differs(seen, {
    means:
      'Docker sets it so. The jump of ts-dock stands first and accepts what its own bridge sends; other bridges stay closed.',
    brief,
  });
}

function docker(sys: Kernel): Verdict {
  const chains = saved(sys)?.chains.filter(({ chain }) => chain.startsWith('DOCKER')) ?? [];
  const bridge = sys.network().links.some(({ name }) => name === 'docker0');
  if (chains.length === 0 && !bridge) return ok('none here');
  const names = [...new Set(chains.map(({ chain }) => chain))];
  return ok(`${[...names, ...(bridge ? ['docker0'] : [])].join(', ')}: left alone`, {
    brief: 'Docker is here',
  });
}

function forwarding(sys: Kernel, isRoot: boolean): Verdict {
  const value = sys.readIfThere(FORWARD)?.trim() ?? 'absent';
  const brief = `ip_forward ${value}`;
  if (value === '1') return ok('1', { brief });
  if (!isRoot) return ok(`${value}; the first run sets it to 1`, { brief });
  try {
    // Opened for writing and nothing written: in a container /proc/sys is often read-only.
    sys.close(sys.openat2(AT_FDCWD, FORWARD, O.WRONLY | O.CLOEXEC, 0, 0));
    return ok(`${value}; the first run sets it to 1, \`host down\` back`, { brief });
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return missing(`${value}, and cannot be set: ${error.code}`, {
      means: NO_NAT,
      remedy: 'Set net.ipv4.ip_forward=1 outside.',
      brief: `${brief} fixed`,
    });
  }
}
