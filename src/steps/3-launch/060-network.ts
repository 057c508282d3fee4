import { randomHex } from '../../kernel/random.ts';
import { TsDockError } from '../../engine/failure.ts';
import { step } from '../../engine/step.ts';
import type { Bridge } from '../../flows/values.ts';
import type { NetworkState } from '../../daemon/model.ts';

export const network = step({
  id: 'launch.network',
  title: 'Make the veth pair, one end inside',
  actor: 'daemon',
  then: {
    symbol: 'InitializeNetworking, Veth.Create',
    file: 'lc/namespaces/exec.go:176, lc/network/veth.go:19',
  },
  now: { where: 'moby daemon/libnetwork/drivers/bridge/bridge_linux.go createVeth' },
  needs: ['child', 'lease', 'bridge', 'subject'],
  gives: ['networkState'],
  observe: ['links', 'firewall'],
  plan({ lease, bridge, subject }) {
    const drawn = {
      name: vethName(),
      peer: vethName(),
      alias: `tsdock:${subject.container.ID.slice(0, 12)}`,
    };
    if (lease.mode !== 'bridge' || bridge === null) return { drawn, undo: [] };
    const { name, alias } = drawn;
    return {
      drawn,
      undo: [{ lifetime: 'transient', kind: 'delete-link', name, alias, master: bridge.name }],
    };
  },
  run({ child, lease, bridge }, { sys, drawn }) {
    if (lease.mode !== 'bridge') return { networkState: {} };
    const { name, peer, alias } = drawn;
    sys.vethCreate({ name, peer, alias, peerPid: child.pid, master: master(bridge).index, mtu: lease.mtu });
    const networkState: NetworkState = { veth_host: name, veth_child: peer };
    return { networkState };
  },
});

/** 28 random bits, where 1.2.0 had 16 and met itself now and then. */
function vethName(): string {
  return `veth${randomHex(4).slice(0, 7)}`;
}

function master(bridge: Bridge | null): Bridge {
  if (bridge === null) throw new TsDockError('network', 'there is no bridge to put the container on');
  return bridge;
}
