/** A container's hostname and hosts (Docker 1.2.0: buildHostnameFile, etchosts.Build), with the lines in one fixed order. */
import { TsDockError } from '../engine/failure.ts';
import type { Lease } from '../flows/values.ts';
import type { Config } from './model.ts';

/** The kernel's limit, for what sethostname takes (HOST_NAME_MAX). */
const KERNEL_MOST = 64;

/** The part that the kernel is told, which may be shorter than a name in DNS. */
export function checkKernelHostname(name: string): string {
  if (name.length <= KERNEL_MOST) return checkHostname(name);
  throw new TsDockError('bad-config', `cannot use a host name of ${name.length} characters`, {
    means: `The kernel takes at most ${KERNEL_MOST}.`,
    remedy: 'Choose a shorter one.',
  });
}

/** A line break in a host name would write a line of hosts: any name to any address. */
export function checkHostname(name: string): string {
  if (/^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$/.test(name) && name.length <= 253) return name;
  throw new TsDockError('bad-config', `cannot use ${JSON.stringify(name)} as a host name`, {
    means: 'It goes into /etc/hosts, where other characters would mean something else.',
    remedy: 'Use letters, digits, - and dots.',
  });
}

const fullName = ({ Hostname, Domainname }: Config): string =>
  checkHostname(Domainname === '' ? Hostname : `${Hostname}.${Domainname}`);

export function hostnameText(config: Config): string {
  return `${fullName(config)}\n`;
}

export function hostsText(config: Config, lease: Lease): string {
  const names = config.Domainname === '' ? fullName(config) : `${fullName(config)} ${config.Hostname}`;
  // Without a network of its own the container still has to find itself.
  const own = lease.address === '' ? '127.0.1.1' : lease.address;
  const lines = [
    [own, names],
    ['127.0.0.1', 'localhost'],
    ['::1', 'localhost ip6-localhost ip6-loopback'],
    ['fe00::0', 'ip6-localnet'],
    ['ff00::0', 'ip6-mcastprefix'],
    ['ff02::1', 'ip6-allnodes'],
    ['ff02::2', 'ip6-allrouters'],
  ];
  return `${lines.map((line) => line.join('\t')).join('\n')}\n`;
}
