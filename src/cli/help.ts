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
at, looked at, explained and undone. Containers need Linux and root; steps, explain and replay do not.

New here? Take the examples from the first to the last. Every command has --help, with examples of its own.`,
      examples: [
        ['ts-dock doctor', 'can containers run on this machine?'],
        ['ts-dock run --rm base echo hello', 'run one, as quietly as docker run'],
        ['ts-dock run --rm --step base', 'the same one step at a time: Enter goes on, q undoes all'],
        ['ts-dock run --rm --break init.pivot base', 'stop where it changes its root'],
        ['ts-dock explain init.pivot', 'what that step does, why there, and what Docker did'],
        ['ts-dock trace show', 'where did the time go?'],
        ['ts-dock replay traces/good-run.tsdock', 'a recorded run, without root, on any system'],
        ['ts-dock uninstall', 'as if it had never run here'],
      ],
    },
    run: {
      text: `The exit code is the program's (128 + signal if it was killed), 126 if it cannot be executed,
127 if there is no such program, 125 if ts-dock itself failed.

A run --rm or --record without -d and -t ends with this command. Every other container has a monitor
and can outlive it: with -d from the start, with -t when you leave its terminal with ctrl-p ctrl-q. attach
comes back to it, logs shows what it said.

While a run stands still: n next, c continue, w walk, b STEP break, l list, e explain,
d dump, f diff, k calls, s shell, q quit (undoes all that this command began), h help.
Without a terminal, commands are read from standard input, and at its end the run continues.

With --record, output that does not go to a terminal passes through ts-dock, which takes the first
1 MiB of it down; what goes to a terminal is not recorded. Values of variables are left out, unless
--show-env is given; what the program itself shows is recorded as it is.`,
      examples: [
        ['ts-dock run --rm base echo hello', 'create, start, wait, remove'],
        ['ts-dock run --rm -it base sh', 'a shell in a container of its own'],
        ['ts-dock run -d --name web base sleep 60', 'leave it running'],
        ['ts-dock run -d --restart on-failure:3 base false', 'start it again, at most three times'],
        ['ts-dock run --step base', 'stop before each step'],
        ['ts-dock run --break init.pivot:after base sh', 'stop first when the root has changed'],
        ["ts-dock run --break 'launch.*' -m 64m --cpus 0.5 base", 'watch how limits are set'],
        ['ts-dock run --rm -i -v /srv/data:/data:ro base wc -l', 'count the lines of standard input'],
        ['ts-dock run --rm --trace base true', 'where did the time go?'],
        ['ts-dock run --rm --dump /tmp/look base true', 'what did the kernel say, at each step?'],
        ['ts-dock run --rm --record run.tsdock base true', 'keep it all, for ts-dock replay'],
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
        ['ts-dock start web', 'start it, and leave it running'],
        ['ts-dock start -a web', 'start it, and wait for its end'],
        ['ts-dock start --break start.mount-rootfs web', 'stop before its layers are mounted'],
      ],
    },
    attach: {
      text: `What is typed goes to the container if it was made with -i. A container with a terminal is left
with ctrl-p ctrl-q, and goes on. The exit code is the container's.`,
      examples: [
        ['ts-dock attach web', 'come back to it, or to its terminal'],
        ['ts-dock attach --no-stdin web', 'only look'],
      ],
    },
    logs: {
      text: `A container that has a monitor has a log: all but a run --rm or --record in the foreground without -t. It is
kept as Docker kept it: containers/<id>/<id>-json.log beneath the root, one JSON object a line.`,
      examples: [
        ['ts-dock logs --tail 20 web', 'the last twenty lines'],
        ['ts-dock logs -f --since 10m web', 'the last ten minutes, and what comes'],
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
    pull: {
      text: `A name without a host is Docker's: debian is docker.io/library/debian. Each layer is fetched once: what an
image has in common with others is here already, what a pull that was cut short had fetched is kept for
a day, and a layer that was half fetched goes on where it was. Two pulls of one image share the work.

Registries are spoken to by TLS, and certificates are always checked. Their authorities are those of this host, of
NODE_EXTRA_CA_CERTS, and of /etc/docker/certs.d/HOST:PORT/*.crt (there also *.cert and *.key of our own). Only this
machine (127.0.0.0/8, ::1, localhost) and what --insecure-registry or TS_DOCK_INSECURE_REGISTRIES names may do
without TLS, where they speak none; nothing else ever falls back. A named host is meant with just
its port, and no name is looked up to see whether its address lies in a named network. Proxies
(HTTP_PROXY, HTTPS_PROXY) are not used.

Names and passwords are those of ~/.docker/config.json (or of the folder DOCKER_CONFIG), which docker login and
skopeo login --authfile write; its helpers (credsStore, credHelpers) are looked for where programs of the system lie.
They stand in no journal, record, trace or error.

Variables: TS_DOCK_PARALLEL_DOWNLOADS (3), TS_DOCK_REGISTRY_RETRIES (5), TS_DOCK_REGISTRY_BACKOFF_SECONDS (0.5, doubled
each time), TS_DOCK_REGISTRY_PATIENCE_SECONDS (60: how long a registry may let us wait),
TS_DOCK_REGISTRY_CONNECT_SECONDS (15), TS_DOCK_REGISTRY_IDLE_SECONDS (60), TS_DOCK_CERTS_DIR.`,
      examples: [
        ['ts-dock pull debian:stable', 'from docker.io'],
        ['ts-dock pull localhost:5000/me/app@sha256:…', 'exactly this one'],
        ['ts-dock pull --platform linux/arm64 debian', 'of several, the one for another machine'],
        ['ts-dock pull --step debian', 'see how an image comes here, one step at a time'],
        ['ts-dock pull --insecure-registry 10.0.0.5:5000 10.0.0.5:5000/app', 'without TLS, as it has none'],
        ['ts-dock run --break pull.fetch-layers debian', 'stop in the pull that a run begins with'],
      ],
    },
    push: {
      text: `The image must have a name that leads to the registry: \`ts-dock tag\` gives it one. Only what is lacking
there is sent. It arrives under the same id. Credentials and TLS are as with pull. The manifest is of
Docker's schema 2, and layers are packed with gzip.`,
      examples: [
        ['ts-dock tag base localhost:5000/me/base', 'a name that says where to'],
        ['ts-dock push localhost:5000/me/base', 'send it there'],
      ],
    },
    stop: {
      text: `Asks with SIGTERM, or with what --stop-signal or the image says, and kills after -t seconds. It
comes back when all that the container's run had made is undone. A paused container goes
on first. \`ts-dock steps stop\` lists its steps.`,
      examples: [
        ['ts-dock stop web', 'ask, wait ten seconds, kill'],
        ['ts-dock stop -t 60 web db', 'give each a minute'],
        ['ts-dock stop --step web', 'one step at a time'],
      ],
    },
    restart: {
      text: `What runs is stopped as by stop, and what does not run is just started. The options of the
stepper count for both halves: \`ts-dock steps restart\` lists them.`,
      examples: [
        ['ts-dock restart web', 'stop it, start it, leave it running'],
        ['ts-dock restart -t 60 web db', 'give each a minute to end'],
        ['ts-dock restart --break start.mount-rootfs web', 'look at it between its two lives'],
      ],
    },
    kill: {
      text: `The kernel drops a signal for process 1 that it has no handler for; only SIGKILL always gets
through. \`ts-dock run --init\` puts a process 1 in front that passes signals on.`,
      examples: [
        ['ts-dock kill web', 'SIGKILL, and wait until it is taken down'],
        ['ts-dock kill -s HUP web', 'many programs then read their configuration again'],
      ],
    },
    wait: {
      text: 'The exit code of each is printed, at once for one that does not run.',
      examples: [
        ['ts-dock wait web && ts-dock rm web', 'Docker 1.2.0 sometimes came back too soon for this'],
      ],
    },
    pause: {
      text: 'The freezer cgroup lets all processes stand still; they notice nothing but the time.',
      examples: [
        ['ts-dock pause web', 'let it stand still'],
        ['ts-dock ps', 'Up 3 minutes (Paused)'],
      ],
    },
    unpause: { examples: [['ts-dock unpause web', 'let it go on']] },
    rename: { examples: [['ts-dock rename quiet_hopper web', 'also while it runs']] },
    update: {
      text: `Takes the limits of run. What the kernel refuses changes nothing: no limit of that command holds.`,
      examples: [
        ['ts-dock update -m 256m --cpus 1.5 web', 'at once, and for each later start'],
        ['ts-dock update --pids-limit -1 web', 'take a limit away'],
      ],
    },
    stats: {
      text: `CPU is in percent of one processor. Network is - without a network of its own.`,
      examples: [
        ['ts-dock stats', 'all that run, again each second'],
        ['ts-dock stats --no-stream --json web', 'once, for programs'],
      ],
    },
    events: {
      text: `Kept in events.jsonl in the root, at most two megabytes: create, start, die, stop, kill, pause,
unpause, restart, rename, update, oom, destroy, attach, detach, exec_create, exec_start, exec_die,
commit, copy, export; of images tag, untag, delete, pull, push, load, import, save.`,
      examples: [
        ['ts-dock events', 'what happens from now on, until ^C'],
        ['ts-dock events --since 10m --until 0s', 'what happened in the last ten minutes'],
        ['ts-dock events -f event=die -f container=web', 'only these'],
      ],
    },
    top: {
      text: 'The cgroup of the container says which processes are its own. What ts-dock exec started is among them.',
      examples: [
        ['ts-dock top web', 'what runs in it'],
        ['ts-dock top web --json', 'for programs'],
      ],
    },
    cp: {
      text: `What begins with / or . is a path of this host, and so is what has no : in it. A directory that is there is
copied into; what is not there gets the last name of the path. DIRECTORY/. means what lies in it. - is a tar
archive, on standard output as it is, on standard input also packed with gzip or zstd.

What goes in belongs to root, what comes out to you, and neither lends its owner's rights to whoever runs it; with -a
owners and those bits are kept. A running container is seen as its processes see it, with volumes; of another the layers
and volumes are mounted meanwhile, and it cannot be started before the copy is over. No program of the container is run.`,
      examples: [
        ['ts-dock cp web:/etc/hosts .', 'a file, into this directory'],
        ['ts-dock cp conf/. web:/etc/app', 'what lies in conf, into /etc/app'],
        ['ts-dock cp -L web:/etc/localtime zone', 'what the link leads to'],
        ['ts-dock cp web:/var/log - | tar t', 'a tar archive'],
        ['ts-dock cp --step web:/etc /tmp/etc', 'see how it is reached'],
      ],
    },
    diff: {
      text: `A is added, C changed, D deleted. A directory is changed also if only something in it is. What ts-dock itself
puts into every container is not shown. It is read from the container's own layer, whether it runs or not.`,
      examples: [
        ['ts-dock diff web', 'what it has changed in its image'],
        ['ts-dock diff --json web', 'for programs'],
      ],
    },
    commit: {
      text: `The container's own layer becomes one of the image, on top of those of its image. Command, environment, user, working
directory, ports and volumes are the container's, changed by -c. What lies in volumes is not part of it. A container
that runs stands still while its files are read.`,
      examples: [
        ['ts-dock commit web mine:1', 'an image named mine:1; its id is printed'],
        ["ts-dock commit -c 'CMD [\"sh\"]' -c 'ENV A=b' web mine", 'with another command'],
        ['ts-dock commit --step web mine', 'one step at a time'],
      ],
    },
    export: {
      text: `All files as the container sees them, without the layers that they come from, and without volumes. ts-dock import
makes an image of one layer from it.`,
      examples: [
        ['ts-dock export -o web.tar web', 'to a file, which is there when it is whole'],
        ['ts-dock export web | gzip > web.tar.gz', 'to a pipe'],
      ],
    },
    ps: {
      text: `Filters: status=created|running|paused|restarting|exited, name=PART, id=BEGINNING, ancestor=IMAGE,
exited=CODE, before=CONTAINER, since=CONTAINER. Values of one key are alternatives.`,
      examples: [
        ['ts-dock ps', 'what runs'],
        ['ts-dock ps -a', 'what has ended or was never started as well'],
        ['ts-dock ps -f exited=137 -f exited=143', 'what was killed'],
        ['ts-dock ps -a --json', 'for programs'],
      ],
    },
    inspect: {
      text: `Of a container, what stands in config.json and hostconfig.json, with the names of Docker 1.2.0; of an image,
its names, its configuration and the digests of its layers.`,
      examples: [
        ['ts-dock inspect web', 'all about one container'],
        ['ts-dock inspect base', 'all about an image'],
      ],
    },
    rm: {
      text: 'What is undone is what the steps of create said, backwards: layers, files, the name. Volumes of the host stay.',
      examples: [
        ['ts-dock rm web 4f2a', 'remove two'],
        ['ts-dock rm -f web', 'kill it first'],
      ],
    },
    images: {
      text: `base:latest is made from programs of this host when it is first asked for. An image that lost its
name, as another got it, is shown as <none> until it is removed.`,
      examples: [
        ['ts-dock images', 'what there is to run'],
        ['ts-dock images -a', 'the layers in between as well'],
        ['ts-dock images -f dangling=true -q', 'the ids of those without a name'],
        ['ts-dock images debian', 'of one repository'],
        ['ts-dock images --digests', 'by which digests they were pulled'],
      ],
    },
    history: {
      text: `A line that only changed the configuration has no layer, and 0 B. <missing> is a line that is no
image by itself.`,
      examples: [
        ['ts-dock history debian', 'how it came about, the newest first'],
        ['ts-dock history --no-trunc debian', 'with the whole commands'],
      ],
    },
    tag: {
      text: `A name is [HOST[:PORT]/]PATH[:TAG]; without a tag it is latest, without a host it is one of docker.io.`,
      examples: [
        ['ts-dock tag base me/base:1.0', 'a second name for base'],
        ['ts-dock tag 4f2a localhost:5000/app', 'a name that push sends to a registry of yours'],
      ],
    },
    rmi: {
      text: `A name is taken away; with its last name the image goes, and each layer with the last image that has
it. An image that a container was made from is refused, and, unless -f is given, by its id one that has
several names. While a pull or the like is at work, the names go and the image stays for a later rmi.`,
      examples: [
        ['ts-dock rmi me/base:1.0', 'take the name away, and the image if it was the last'],
        ['ts-dock rmi -f 4f2a', 'an image with all its names'],
        ['ts-dock rmi $(ts-dock images -q -f dangling=true)', 'those that have no name any more'],
      ],
    },
    load: {
      text: `What docker save has ever written, and OCI image layouts as an archive or a folder; gzip and zstd are told by
themselves. Names come from the archive; an image without one is printed by its id. Of several
images for different machines the one for this machine is taken, or the one that --platform says.

Budgets bound what an archive may cost: bytes of a layer when unpacked (16g), fileSize (16g), entries
(1000000), path (4096), depth (1024), ratio (1000), headers of a member (1m), json (4m).`,
      examples: [
        ['ts-dock load -i app.tar', 'the images in an archive'],
        ['ts-dock load -i layout/', 'of an OCI layout'],
        ['docker save app | ts-dock load', 'from standard input'],
        ['ts-dock load --step -i app.tar', 'see how a stranger is believed'],
        ['ts-dock load --budget bytes=100g -i huge.tar', 'one that is larger than usual'],
      ],
    },
    import: {
      text: `The archive is the root itself, as docker export or debootstrap make it. --change takes CMD, ENTRYPOINT, ENV,
EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR, as they stand in a Dockerfile.`,
      examples: [
        ['ts-dock import root.tar.gz me/system', 'an image of one layer'],
        ['docker export web | ts-dock import - web:flat', 'a container of another runtime'],
        ["ts-dock import -c 'CMD [\"/bin/sh\"]' -c 'ENV A=b' root.tar sys", 'with what to run'],
      ],
    },
    save: {
      text: `The layers come out as the very bytes that they came with, so that whoever loads it has the same ids.
A repository without a tag means all its tags. What FILE was stays until all is written.`,
      examples: [
        ['ts-dock save -o app.tar me/app', 'for docker load, podman load, ts-dock load'],
        ['ts-dock save --format oci me/app | skopeo copy oci-archive:/dev/stdin dir:app', 'for others'],
        ['ts-dock save base debian | gzip > both.tar.gz', 'two images in one archive'],
      ],
    },
    steps: {
      examples: [
        ['ts-dock steps', 'number, id, who acts, title'],
        ['ts-dock steps exec', 'those of ts-dock exec'],
        ['ts-dock steps stop', 'those of ts-dock stop'],
        ['ts-dock steps --json', 'with what each takes and gives, then and now'],
      ],
    },
    explain: {
      text: 'Stages are host, create, start, launch, init, exit, exec, stop, pull, load, commit and cp.',
      examples: [
        ['ts-dock explain start.mount-rootfs', 'a step'],
        ['ts-dock explain init', 'a stage'],
      ],
    },
    trace: {
      text: `Every run leaves a trace in its journal: one span per step, with true times. RUN is the id of a
run, its unique beginning, a container, or latest.

With a collector's address each run is sent to it when it is over, by a process of its own: a
collector that is slow or down changes neither the exit code nor the time of a run. It speaks OTLP over HTTP.
These variables are honoured: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, and of both
_HEADERS, _TIMEOUT, _COMPRESSION, _CERTIFICATE and _PROTOCOL (http/protobuf, http/json);
OTEL_SERVICE_NAME (of ts-dock; dockerinit keeps its name), OTEL_RESOURCE_ATTRIBUTES;
OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER=none; OTEL_TRACES_SAMPLER with _ARG. TRACEPARENT of the caller
is the parent, and the container's program gets one. What could not be sent stands in
journal/export.log beneath the root.`,
      examples: [
        ['ts-dock trace list', 'the last hundred runs'],
        ['ts-dock trace show', 'the last one, as a time line'],
        ['ts-dock trace export -o run.jaeger.json', "for Jaeger's UI, by drag and drop"],
        ['ts-dock trace export --format otlp web', "a container's last run as OTLP JSON"],
        ['ts-dock trace export --otlp http://localhost:4318', 'to a collector, now'],
        ['ts-dock run --otlp http://localhost:4318 --rm base true', 'to a collector, when it is over'],
      ],
    },
    replay: {
      text: `Shows a recording as the run was shown, with the same cards, diffs and dumps, without running
anything: it needs neither root nor Linux. All commands of the stepper work at every place, and
p goes back, g STEP goes anywhere, ^ and $ to the beginning and the end, / TEXT searches.

Commands come from the terminal, from --step-commands, or from standard input; without any, all is
shown. A recording that was cut is shown as far as it is whole, with exit code 3; one that was edited
is refused.`,
      examples: [
        ['ts-dock replay traces/good-run.tsdock', 'step through a run'],
        ['ts-dock replay --break init.pivot traces/good-run.tsdock', 'stop there first'],
        ['ts-dock replay --all traces/fails-in-dockerinit.tsdock', 'show all of it, ask nothing'],
        ["echo '/ pivot_root' | ts-dock replay traces/good-run.tsdock", 'where was that called?'],
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
        ['ts-dock host down --all', 'the containers, the images and the root folder too'],
      ],
    },
    uninstall: {
      text: `Files of yours that were mounted into containers (-v) stay; volumes in the root folder go with it.
Ends nothing that runs, unless told to. Killed half-way, it goes on where it was when called again.`,
      examples: [
        ['ts-dock uninstall', 'as if ts-dock had never run here'],
        ['ts-dock uninstall --force', 'and end what still runs'],
      ],
    },
    doctor: {
      text: `Everything is asked of the kernel, and what can be tried is tried: mounts, namespaces and rules, where nothing
of it stays. Without root it says what it could not look at. The exit code is 0 when containers can run here, else 1.`,
      examples: [
        ['ts-dock doctor', 'look at this machine'],
        ['ts-dock doctor --summary', 'one line, for a bug report'],
        ['ts-dock doctor --json', 'for programs'],
      ],
    },
    version: { examples: [['ts-dock version --json', 'for a bug report']] },
  };
}

const GROUPS: Readonly<Record<string, readonly string[]>> = {
  'Make and run containers:': ['run', 'create', 'start', 'attach', 'logs', 'exec', 'cp', 'top'],
  'End them, and change them:': [
    ...['stop', 'kill', 'restart', 'wait', 'pause', 'unpause'],
    ...['rename', 'update', 'rm'],
  ],
  'See what there is:': ['ps', 'diff', 'stats', 'events', 'inspect'],
  'Images:': [
    ...['images', 'pull', 'push', 'history', 'tag', 'rmi'],
    ...['load', 'import', 'save', 'commit', 'export'],
  ],
  'Understand it:': ['steps', 'explain', 'trace', 'replay'],
};

/** Whatever has no group of its own is about the machine. */
export const OTHER_GROUP = 'This machine, and ts-dock on it:';

/** The heading under which `ts-dock --help` has a command. */
export function groupOf(command: string): string {
  return Object.keys(GROUPS).find((heading) => GROUPS[heading]?.includes(command)) ?? OTHER_GROUP;
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
