/** What all containers share, made once and kept until `host down` (Docker 1.2.0: the daemon's boot). */
import { bridge } from '../steps/0-host/010-bridge.ts';
import { forwarding } from '../steps/0-host/020-forwarding.ts';
import { firewall } from '../steps/0-host/030-firewall.ts';
import { dockerinit } from '../steps/0-host/040-dockerinit.ts';
import { cgroupParent } from '../steps/0-host/050-cgroup-parent.ts';
import { flow } from '../engine/flow.ts';

export const hostSteps = [bridge, forwarding, firewall, dockerinit, cgroupParent] as const;

export const hostFlow = flow([])([...hostSteps]);
