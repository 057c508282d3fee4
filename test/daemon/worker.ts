/** Another process at the same work: `bridge ROOT`, `lease ROOT COUNT NAME`, or `register ROOT - - CONFIG LAYERS`. Prints JSON; starts at its standard input's end. */
import { readFileSync } from 'node:fs';
import { allocateNetwork } from '../../src/steps/2-start/050-allocate-network.ts';
import { bridge } from '../../src/steps/0-host/010-bridge.ts';
import { registerImage } from '../../src/daemon/image-store.ts';
import type { Layer } from '../../src/daemon/layer-store.ts';
import { EMPTY_HOST_CONFIG } from '../../src/daemon/model.ts';
import { placeOf } from '../../src/daemon/place.ts';
import type { PlanContext, RunContext } from '../../src/engine/step.ts';
import type { Bridge, Lease, Values } from '../../src/flows/values.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { ALONE } from './alone.ts';

const [, , what, root = '', count = '1', name = '', config = '', layers = '[]'] = process.argv;
const context: PlanContext = { place: placeOf(root), sys: new Kernel(), run: ALONE };
const quiet = {
  warn: () => undefined,
  note: () => undefined,
  progress: () => undefined,
  handOver: () => undefined,
  alsoUndo: () => undefined,
  record: () => undefined,
  report: () => undefined,
  interruption: new Promise<void>(() => undefined),
};
const acting = <P>(drawn: P): RunContext<P> => ({ ...context, ...quiet, drawn });

export const NET: Bridge = { name: 'none', index: 0, address: '198.51.100.1', prefix: 24, mtu: 1500 };

function lease(n: number): Lease {
  const subject = { container: { ID: `${name}-${n}` }, hostConfig: EMPTY_HOST_CONFIG } as Values['subject'];
  const taken = { subject, bridge: NET };
  const { drawn } = allocateNetwork.plan!(taken, context);
  return (allocateNetwork.run(taken, acting(drawn)) as { lease: Lease }).lease;
}

// The planning is done before the starting signal, so that all act on the same look at the host.
const { drawn } = bridge.plan!({}, context);
readFileSync(0);
const said = (): unknown => {
  if (what === 'bridge') return bridge.run({}, acting(drawn));
  if (what === 'register')
    return registerImage(context.sys, context.place, config, JSON.parse(layers) as readonly Layer[]);
  return Array.from({ length: Number(count) }, (_, n) => lease(n).address);
};
process.stdout.write(JSON.stringify(said()));
