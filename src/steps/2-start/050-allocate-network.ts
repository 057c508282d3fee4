import { leasePath, nextAddress, takeLease } from '../../daemon/leases.ts';
import { underLock } from '../../daemon/lock.ts';
import type { Compensation } from '../../engine/compensation.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';
import type { Lease } from '../../flows/values.ts';

export const allocateNetwork = step({
  id: 'start.allocate-network',
  title: 'Lease an address on the bridge',
  actor: 'daemon',
  then: { symbol: 'bridge.Allocate', file: 'daemon/networkdriver/bridge/driver.go:318' },
  now: { where: 'moby daemon/container_operations.go allocateNetwork' },
  needs: ['subject', 'bridge'],
  gives: ['lease'],
  observe: ['store', 'files'],
  plan({ subject, bridge }, { sys, place }) {
    if (subject.hostConfig.NetworkMode !== 'bridge' || bridge === null) return { drawn: '', undo: [] };
    const address = nextAddress(sys, place, bridge);
    const path = leasePath(place, address);
    const release = {
      lifetime: 'transient',
      kind: 'release-lease',
      path,
      content: subject.container.ID,
    } as const;
    return { drawn: address, undo: [release] };
  },
  run({ subject, bridge }, { sys, place, drawn, alsoUndo }) {
    const mode = subject.hostConfig.NetworkMode;
    const none: Lease = { mode, address: '', prefix: 0, gateway: '', bridge: '', mtu: 0 };
    if (mode !== 'bridge') return { lease: none };
    if (bridge === null) throw noBridge();

    const id = subject.container.ID;
    const address = underLock(sys, place, () => {
      let wanted = drawn === '' ? nextAddress(sys, place, bridge) : drawn;
      while (!takeLease(sys, place, wanted, id)) {
        wanted = nextAddress(sys, place, bridge);
        // Written down before it is taken. The release of an address that somebody else has does nothing.
        alsoUndo(releaseOf(leasePath(place, wanted), id));
      }
      return wanted;
    });
    const { name, prefix, mtu, address: gateway } = bridge;
    return { lease: { mode, address, prefix, gateway, bridge: name, mtu } };
  },
});

const releaseOf = (path: string, content: string): Compensation => ({
  lifetime: 'transient',
  kind: 'release-lease',
  path,
  content,
});

function noBridge(): TsDockError {
  return new TsDockError('network', 'there is no bridge to put the container on', {
    means:
      'This host, or what ts-dock may do on it, does not allow bridges; the warning of host.bridge says why.',
    remedy: 'Run with --net none or --net host.',
  });
}
