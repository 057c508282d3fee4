import type { Compensation } from '../../engine/compensation.ts';
import { step } from '../../engine/step.ts';
import { KernelError } from '../../kernel/calls.ts';
import type { Kernel } from '../../kernel/kernel.ts';

const FILE = '/proc/sys/net/ipv4/ip_forward';

export const forwarding = step({
  id: 'host.forwarding',
  title: 'Let this host forward packets',
  actor: 'daemon',
  then: { symbol: 'bridge.InitDriver', file: 'daemon/networkdriver/bridge/driver.go:79' },
  now: { where: 'moby daemon/libnetwork/drivers/bridge/setup_ip_forwarding.go' },
  needs: ['bridge'],
  gives: ['forwarding'],
  observe: ['firewall'],
  plan: ({ bridge }, { sys }) => ({ drawn: undefined, undo: bridge === null ? [] : restore(sys) }),
  run({ bridge }, { sys, warn }) {
    if (bridge === null) return { forwarding: { notes: { asked: false } } };
    const before = setting(sys);
    try {
      if (before !== '1') sys.writeFile(FILE, '1\n');
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      warn(`This host does not forward packets, so containers reach nothing beyond it: ${error.message}`);
    }
    return { forwarding: { notes: { before, now: setting(sys) } } };
  },
});

function setting(sys: Kernel): string {
  return sys.readIfThere(FILE)?.trim() ?? '';
}

/** Only who finds it switched off owes its restoring: others, Docker among them, may rely on it being on. */
function restore(sys: Kernel): Compensation[] {
  if (setting(sys) !== '0') return [];
  return [{ lifetime: 'host', kind: 'restore-file', file: FILE, ours: '1\n', old: '0\n' }];
}
