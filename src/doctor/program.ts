/** ts-dock itself: who runs it, on which Node, and whether its native parts are there and work. */
import { join } from 'node:path';
import { buildFolder } from '../kernel/binding.ts';
import { differs, missing, ok, type Check } from './check.ts';

const BUILD = 'Run `npm run build` in the folder of ts-dock.';

export const program: readonly Check[] = [
  {
    id: 'program.user',
    title: 'User',
    required: true,
    look: ({ isRoot }) =>
      isRoot
        ? ok('root', { brief: 'root' })
        : missing(`uid ${process.getuid?.() ?? 'unknown'}, not root`, {
            means: 'Namespaces, mounts and cgroups need the rights of root.',
            remedy: 'Try it with sudo; `steps`, `explain` and this command work without.',
            brief: 'not root',
          }),
  },
  {
    id: 'program.node',
    title: 'Node',
    required: true,
    look() {
      const version = process.versions.node;
      const [major = 0, minor = 0] = version.split('.').map(Number);
      const brief = `Node ${version}`;
      if (major < 20 || (major === 20 && minor < 19))
        return missing(version, { means: 'ts-dock needs 20.19 or newer.', remedy: 'Install it.', brief });
      if (major < 22 && process.env['NODE_EXTRA_CA_CERTS'] !== undefined)
        return differs(`${version}, with NODE_EXTRA_CA_CERTS`, {
          means:
            'This Node reads those certificates at every start, which makes every run some 40 ms slower.',
          remedy: 'Unset NODE_EXTRA_CA_CERTS for ts-dock; it asks nothing of the network.',
          brief,
        });
      return ok(version, { brief });
    },
  },
  {
    id: 'program.addon',
    title: 'Native addon',
    required: true,
    look({ sys }) {
      try {
        sys.lackingCalls();
        return ok('loads');
      } catch (error) {
        return missing('cannot be loaded', {
          means: `The kernel is asked through it: ${error instanceof Error ? firstLine(error.message) : ''}`,
          remedy: BUILD,
          brief: 'no addon',
        });
      }
    },
  },
  {
    id: 'program.dockerinit',
    title: 'dockerinit',
    required: true,
    look({ sys }) {
      const path = join(buildFolder(), 'dockerinit');
      const nothing = {
        means: 'It is the first process of every container.',
        remedy: BUILD,
        brief: 'no dockerinit',
      };
      if (!sys.exists(path)) return missing('is not there', nothing);
      const ran = sys.exec(path, ['--steps']);
      if (ran.status !== 0) return missing(`ends with ${ran.status}`, nothing);
      return ok(`runs, knows ${ran.stdout.trim().split('\n').length} steps`);
    },
  },
  {
    id: 'program.sqlite',
    title: 'SQLite',
    required: true,
    look({ sys }) {
      try {
        const row = sys.transaction(':memory:', (sql) => sql.get('SELECT sqlite_version() AS version'));
        return ok(String(row?.['version'] ?? 'works'));
      } catch (error) {
        return missing('cannot be loaded', {
          means: `Names of containers are kept in it: ${error instanceof Error ? firstLine(error.message) : ''}`,
          remedy: 'Run `npm install` in the folder of ts-dock.',
          brief: 'no SQLite',
        });
      }
    },
  },
];

const firstLine = (text: string): string => text.split('\n')[0] ?? '';
