import { randomBytes } from '../../kernel/random.ts';
import { bridgeAlias, drawRange, findBridge, makeBridge } from '../../daemon/bridge.ts';
import { underLock } from '../../daemon/lock.ts';
import { step } from '../../engine/step.ts';
import type { Place } from '../../daemon/place.ts';
import { KernelError } from '../../kernel/calls.ts';
import type { Kernel } from '../../kernel/kernel.ts';

export const bridge = step({
  id: 'host.bridge',
  title: 'Find or make the bridge of all containers',
  actor: 'daemon',
  then: { symbol: 'bridge.InitDriver', file: 'daemon/networkdriver/bridge/driver.go:79' },
  now: { where: 'moby daemon/libnetwork/drivers/bridge/bridge_linux.go createNetwork' },
  needs: [],
  gives: ['bridge'],
  observe: ['links'],
  plan: (_, { sys, place }) => ({
    // The range is for whoever reads the plan: only under the lock is it known for certain.
    drawn: {
      mac: localMac(),
      range: isThere(sys, place) ? null : (drawRange(sys, sys.network(), place) ?? null),
    },
    undo: [
      { lifetime: 'host', kind: 'delete-link', name: place.bridge, alias: bridgeAlias(place), master: '' },
    ],
  }),
  run(_, { sys, place, drawn, warn, note }) {
    const whole = findBridge(sys.network(), place);
    if (whole !== undefined) {
      note(`${whole.name} was there already, with ${whole.address}/${whole.prefix}.`);
      return { bridge: whole };
    }
    try {
      return { bridge: underLock(sys, place, () => makeBridge(sys, place, drawn.mac)) };
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      warn(`There is no bridge, so only --net none and --net host work: ${error.message}`);
      return { bridge: null };
    }
  },
});

/** Cheaper than a look at all links, of which the act takes one. */
const isThere = (sys: Kernel, place: Place): boolean => sys.exists(`/sys/class/net/${place.bridge}`);

/** Without an address of its own a bridge takes that of its lowest port, and changes it as containers come and go. */
function localMac(): string {
  const bytes = randomBytes(6);
  // Locally administered, and not a group's.
  bytes[0] = ((bytes[0] ?? 0) | 0x02) & 0xfe;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
