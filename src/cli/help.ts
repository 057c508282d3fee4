/** Examples and plain words below each command's `--help`: data per command, built only when help is asked for. */

import { wrap } from './render/text.ts';

const WIDTH = 78;

interface Help {
  readonly text?: string;
  /** A line to type, and what it does. */
  readonly examples: readonly (readonly [line: string, says: string])[];
}

function helps(): Readonly<Record<string, Help>> {
  return {
    '': {
      text: `The life of a container is a list of steps, in the order of Docker 1.2.0. Each can be stopped
at, looked at, explained and undone. Containers need Linux and root; steps and explain do not.`,
      examples: [
        ['ts-dock run --step base', 'walk through a container, one step at a time'],
        ['ts-dock run --rm base ls -l /', 'run one, as quietly as docker run'],
        ['ts-dock steps', 'all steps, in order'],
        ['ts-dock explain init.pivot', 'what one step does, why there, and what Docker did'],
      ],
    },
    run: {
      text: `The exit code is the program's (128 + signal if it was killed), 126 if it cannot be executed,
127 if there is no such program, 125 if ts-dock itself failed.

While a run stands still: n next, c continue, w walk, b STEP break, l list, e explain,
d dump, f diff, k calls, s shell, q quit (undoes all that this command began), h help.
Without a terminal, commands are read from standard input, and at its end the run continues.`,
      examples: [
        ['ts-dock run --rm base echo hello', 'create, start, wait, remove'],
        ['ts-dock run --step base', 'stop before each step'],
        ['ts-dock run --break init.pivot:after base sh', 'stop first when the root has changed'],
        ["ts-dock run --break 'launch.*' -m 64m --cpus 0.5 base", 'watch how limits are set'],
        ['ts-dock run --rm -i -v /srv/data:/data:ro base wc -l', 'count the lines of standard input'],
        ['ts-dock run --rm --trace base true', 'where did the time go?'],
        ['ts-dock run --rm --dump /tmp/look base true', 'what did the kernel say, at each step?'],
        ['ts-dock run --fail start.volumes=error base', 'let a step fail, and see the undo'],
      ],
    },
    create: {
      text: 'Takes the options of run, prints the id of the container, and starts nothing.',
      examples: [
        ['ts-dock create --name web base sleep 60', 'make a container named web'],
        ['ts-dock create --step base', 'see what a container is before it runs'],
      ],
    },
    start: {
      text: 'A container may be named by its name, its id, or the beginning of its id.',
      examples: [
        ['ts-dock start web', 'start it, and wait for its end'],
        ['ts-dock start --break start.mount-rootfs web', 'stop before its layers are mounted'],
      ],
    },
    exec: {
      text: `Joins the namespaces and cgroups of a container that runs; capabilities, limits and the filter are the
container's. The exit code is the program's, 126, 127 or 125 as with run.

With -t the program gets a terminal in the container. ctrl-p ctrl-q leaves it running.`,
      examples: [
        ['ts-dock exec web ls -l /', 'one command'],
        ['ts-dock exec -it web sh', 'a shell, at a terminal of its own'],
        ['ts-dock exec -d web sleep 60', 'leave it to itself'],
        ['ts-dock exec --step web true', 'see how a container is joined'],
      ],
    },
    top: {
      text: 'Which processes they are is said by the cgroup of the container; pids are those of the host.',
      examples: [
        ['ts-dock top web', 'what runs in it, ts-dock exec included'],
        ['ts-dock top web --json', 'for programs'],
      ],
    },
    ps: {
      examples: [
        ['ts-dock ps', 'what runs'],
        ['ts-dock ps -a', 'what has ended or was never started as well'],
        ['ts-dock ps -a --json', 'for programs'],
      ],
    },
    inspect: {
      text: 'What is printed is what stands in config.json and hostconfig.json, with the names of Docker 1.2.0.',
      examples: [['ts-dock inspect web', 'all about one container']],
    },
    rm: {
      text: 'What is undone is what the steps of create said, backwards: layers, files, the name. Volumes of the host stay.',
      examples: [['ts-dock rm web 4f2a', 'remove two']],
    },
    images: {
      text: 'base:latest is made from programs of this host when it is first asked for; nothing is downloaded.',
      examples: [
        ['ts-dock images', 'what there is to run'],
        ['ts-dock images -a', 'the layers in between as well'],
      ],
    },
    steps: {
      examples: [
        ['ts-dock steps', 'number, id, who acts, title'],
        ['ts-dock steps exec', 'those of ts-dock exec'],
        ['ts-dock steps --json', 'with what each takes and gives, then and now'],
      ],
    },
    explain: {
      text: 'Stages are host, create, start, launch, init, exit and exec.',
      examples: [
        ['ts-dock explain start.mount-rootfs', 'a step'],
        ['ts-dock explain init', 'a stage'],
      ],
    },
    recover: {
      text: `A run writes down what it is going to do before it does it, so another process can undo it.
Every command that changes something does this by itself first.`,
      examples: [
        ['ts-dock recover --script', 'what would be undone'],
        ['ts-dock recover', 'undo it; a second time there is nothing to do'],
      ],
    },
    host: {
      text: 'Every run does `host up` by itself; `host down` gives the host back as it was.',
      examples: [
        ['ts-dock host up --step', 'see the bridge and the NAT rules being made'],
        ['ts-dock host down', 'remove bridge, rules and cgroups, restore settings'],
      ],
    },
    version: { examples: [['ts-dock version --json', 'for a bug report']] },
  };
}

export function helpFor(command: string): string {
  const help = helps()[command];
  if (help === undefined) return '';
  const column = Math.max(...help.examples.map(([line]) => line.length)) + 3;
  const beside = help.examples.every(([, says]) => 2 + column + says.length <= WIDTH);
  const lines = help.examples.map(([line, says]) =>
    beside ? `  ${line.padEnd(column)}${says}` : `  ${line}\n      ${says}`,
  );
  const text = (help.text ?? '').split('\n\n').map((paragraph) => wrap(paragraph, WIDTH).join('\n'));
  return ['', ...(help.text === undefined ? [] : [text.join('\n\n'), '']), 'Examples:', ...lines].join('\n');
}
