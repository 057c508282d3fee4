/**
 * Worlds for tests: a process tree with network, mounts, processes, cgroups and host name of its own, so that two tests
 * that each compare the whole host before and after can run side by side.
 *
 * Only where cgroups are of version 1: there a folder in each hierarchy, seen as its root by a cgroup namespace, is as good
 * as the hierarchy. On version 2 alone a group with processes in it may not have limited children. Nothing of the host's
 * is unmounted or moved: the folders are bound over the hierarchies within the world's own mount namespace.
 */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const top = '/sys/fs/cgroup';

/** Why there can be no worlds here; empty where there can. */
export function noWorlds() {
  if (process.getuid?.() !== 0) return 'that needs root';
  if (existsSync(join(top, 'cgroup.controllers'))) return 'cgroups are of version 2 alone';
  return hierarchies().length > 0 ? '' : 'no cgroups are mounted';
}

function hierarchies() {
  if (!existsSync(top)) return [];
  return readdirSync(top)
    .map((name) => join(top, name))
    .filter((folder) => statSync(folder).isDirectory() && existsSync(join(folder, 'cgroup.procs')));
}

/** Folders that the world sees as the roots of the hierarchies. A cpuset is empty when it is made, and takes nobody then. */
function makeGroups(name) {
  return hierarchies().map((hierarchy) => {
    const folder = join(hierarchy, name);
    mkdirSync(folder, { recursive: true });
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (existsSync(join(folder, file)))
        writeFileSync(join(folder, file), readFileSync(join(hierarchy, file), 'utf8'));
    }
    if (existsSync(join(folder, 'cgroup.clone_children')))
      writeFileSync(join(folder, 'cgroup.clone_children'), '1');
    return { hierarchy, folder };
  });
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Runs a program in a world of this name, to its end; its exit code. Its first process reaps whatever is orphaned there. */
export async function inWorld(name, command, args, options) {
  const groups = makeGroups(name);
  const enter = groups.map(({ folder }) => `echo $$ > ${quoted(join(folder, 'cgroup.procs'))}`);
  const bind = groups.map(({ hierarchy, folder }) => `mount --bind ${quoted(folder)} ${quoted(hierarchy)}`);
  const inside = [
    ...bind,
    `ip link set lo up`,
    `hostname ${quoted(name)}`,
    [command, ...args].map(quoted).join(' '),
    'exit $?',
  ];
  const namespaces = ['--net', '--mount', '--pid', '--ipc', '--uts', '--cgroup', '--propagation', 'private'];
  const unshare = [
    'unshare',
    ...namespaces,
    '--fork',
    '--kill-child',
    '--mount-proc',
    'sh',
    '-c',
    inside.join('\n'),
  ];
  const script = [...enter, `exec ${unshare.map(quoted).join(' ')}`].join('\n');
  const child = spawn('sh', ['-c', script], options);
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  for (const { folder } of groups) await removeGroup(folder);
  return code;
}

/** With what a test that was killed left in it. The kernel lets go of a group's last process a moment after it has ended. */
async function removeGroup(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await removeGroup(join(folder, entry.name));
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      rmdirSync(folder);
      return;
    } catch (error) {
      if (error.code === 'ENOENT') return;
      if (error.code !== 'EBUSY') throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
