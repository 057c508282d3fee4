/** All checks in order, and what they come to. Nothing here changes the host. */
import { cgroups } from './cgroups.ts';
import { unknown, type Check, type Scene, type Verdict } from './check.ts';
import { host } from './host.ts';
import { kernel } from './kernel.ts';
import { network } from './network.ts';
import { program } from './program.ts';
import { storage } from './storage.ts';

export const CHECKS: readonly Check[] = [...program, ...kernel, ...cgroups, ...storage, ...network, ...host];

export interface Finding extends Verdict {
  readonly id: string;
  readonly title: string;
  readonly required: boolean;
}

export interface Diagnosis {
  /** Containers can run. */
  readonly runs: boolean;
  /** One line, for a bug report. */
  readonly summary: string;
  readonly findings: readonly Finding[];
}

export async function diagnose(scene: Scene, checks: readonly Check[] = CHECKS): Promise<Diagnosis> {
  const findings: Finding[] = [];
  for (const check of checks) {
    const { id, title, required = false } = check;
    findings.push({ id, title, required, ...(await look(check, scene)) });
  }
  const runs = !findings.some(({ required, state }) => required && state === 'missing');
  return { runs, summary: summaryOf(scene.version, runs, findings), findings };
}

/** A check that cannot look says so; none may keep the others from looking. */
async function look(check: Check, scene: Scene): Promise<Verdict> {
  if (check.needsRoot === true && !scene.isRoot)
    return unknown('not looked at', { means: 'Only root can look.', remedy: 'Try it with sudo.' });
  try {
    return await check.look(scene);
  } catch (error) {
    const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return unknown('could not be looked at', { means: why, brief: `${check.id} ?` });
  }
}

function summaryOf(version: string, runs: boolean, findings: readonly Finding[]): string {
  const words = findings.map(({ brief }) => brief).filter((brief) => brief !== '');
  return [`ts-dock ${version} ${runs ? 'can' : 'cannot'} run containers`, ...words].join(' | ');
}
