import { firewallRecord, installFirewall, jumps, recordOf } from '../../daemon/firewall.ts';
import { underLock } from '../../daemon/lock.ts';
import type { Place } from '../../daemon/place.ts';
import type { Compensation } from '../../engine/compensation.ts';
import { step } from '../../engine/step.ts';

export const firewall = step({
  id: 'host.firewall',
  title: 'Let containers out by NAT',
  actor: 'daemon',
  then: { symbol: 'bridge.setupIPTables', file: 'daemon/networkdriver/bridge/driver.go:177' },
  now: { where: 'moby daemon/libnetwork/drivers/bridge/internal/iptabler/network.go' },
  needs: ['bridge', 'forwarding'],
  gives: ['firewall'],
  observe: ['firewall'],
  plan: ({ bridge }, { sys, place }) => ({
    drawn: undefined,
    undo: bridge === null || sys.findProgram('iptables') === undefined ? [] : undoOf(place),
  }),
  run({ bridge }, { sys, place, warn, note }) {
    if (bridge === null) return { firewall: { notes: { asked: false } } };
    const record = recordOf(sys, place, bridge);
    const isDone = (): boolean => sys.readIfThere(firewallRecord(place)) === record;
    if (isDone()) {
      note('The rules were made earlier in this boot; `ts-dock host up` looks at them again.');
      return { firewall: { notes: { made: 'earlier' } } };
    }
    const refusal = underLock(sys, place, () => {
      // Two first runs at once: the second finds the first one's work.
      if (isDone()) return undefined;
      const said = installFirewall(sys, place, bridge);
      if (said === undefined) sys.writeFile(firewallRecord(place), record);
      return said;
    });
    if (refusal === undefined) return { firewall: { notes: { made: 'now', chain: place.chain } } };
    warn(
      `Containers on ${bridge.name} reach this host and each other, but nothing beyond, as there is no NAT: ${refusal}`,
    );
    return { firewall: { notes: { made: 'not', why: refusal } } };
  },
});

/** In the order of making: undone backwards, the record goes first and no chain goes before the jump to it. */
function undoOf(place: Place): Compensation[] {
  const rules = jumps(place);
  return [
    ...rules.map(({ table }): Compensation => ({
      lifetime: 'host',
      kind: 'delete-chain',
      table,
      chain: place.chain,
    })),
    ...rules.map((rule): Compensation => ({ lifetime: 'host', kind: 'delete-rule', ...rule })),
    { lifetime: 'host', kind: 'remove-file', path: firewallRecord(place).slice(place.root.length + 1) },
  ];
}
