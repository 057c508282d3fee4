/** Tables: aligned columns under a heading, as wide as what stands in them. Beside each stands `--json`. */
import type { HistoryLine } from '../../daemon/image-history.ts';
import { NONE, type ListedImage } from '../../daemon/inspect.ts';
import type { TopEntry } from '../../daemon/top.ts';
import type { Container } from '../../daemon/model.ts';
import type { Usage } from '../../daemon/stats.ts';
import type { StepInfo } from '../../engine/frontend.ts';
import type { Trace } from '../../trace/model.ts';
import type { Mark } from '../../trace/queue.ts';
import { ago, bytesText, durationText } from './units.ts';
import type { Style } from './style.ts';
import { clean, padTo, widthOf } from './text.ts';

function table(heads: readonly string[], rows: readonly (readonly string[])[], { paint }: Style): string {
  // Names and commands come from images and from whoever made the container.
  const safe = rows.map((row) => row.map(clean));
  const widths = heads.map((head, i) => Math.max(head.length, ...safe.map((row) => widthOf(row[i] ?? ''))));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => padTo(cell, widths[i] ?? 0))
      .join('   ')
      .trimEnd();
  return [paint.bold(line(heads)), ...safe.map(line)].join('\n');
}

export function stepsTable(infos: readonly StepInfo[], style: Style): string {
  return table(
    ['', 'STEP', 'WHO', 'TITLE'],
    infos.map(({ id, actor, title }, i) => [(i + 1).toString(), id, actor, title]),
    style,
  );
}

export function containersTable(containers: readonly Container[], whole: boolean, style: Style): string {
  const cut = (text: string, most: number): string =>
    whole || text.length <= most ? text : `${text.slice(0, most - 1)}…`;
  return table(
    ['CONTAINER ID', 'IMAGE', 'COMMAND', 'CREATED', 'STATUS', 'NAMES'],
    containers.map(({ ID, Config, Image, Path, Args, Created, State, Name }) => [
      whole ? ID : ID.slice(0, 12),
      Config.Image || Image.slice(0, 12),
      `"${cut([Path, ...Args].join(' '), 20)}"`,
      ago(Created),
      statusOf(State),
      Name.slice(1),
    ]),
    style,
  );
}

/** Docker's words. */
export function statusOf(state: Container['State']): string {
  const { Running, Paused, Restarting, ExitCode, StartedAt, FinishedAt } = state;
  if (Restarting) return `Restarting (${ExitCode.toString()}) ${ago(FinishedAt)}`;
  if (Running) return `Up ${ago(StartedAt).replace(/ ago$/, '')}${Paused ? ' (Paused)' : ''}`;
  return StartedAt.startsWith('0001') ? 'Created' : `Exited (${ExitCode.toString()}) ${ago(FinishedAt)}`;
}

export function statsTable(list: readonly Usage[], style: Style): string {
  const pair = (a: number, b: number): string => `${bytesText(a)} / ${bytesText(b)}`;
  return table(
    ['CONTAINER ID', 'NAME', 'CPU %', 'MEM USAGE / LIMIT', 'MEM %', 'NET I/O', 'BLOCK I/O', 'PIDS'],
    list.map(({ id, name, cpu, memory, memoryLimit, network, read, written, pids }) => [
      id.slice(0, 12),
      name,
      `${cpu.toFixed(2)}%`,
      pair(memory, memoryLimit),
      `${(memoryLimit === 0 ? 0 : (100 * memory) / memoryLimit).toFixed(2)}%`,
      network === null ? '-' : pair(network.received, network.sent),
      pair(read, written),
      pids.toString(),
    ]),
    style,
  );
}

const idText = (id: string, whole: boolean): string => (whole ? `sha256:${id}` : id.slice(0, 12));

/** With `digests` a line for each, as Docker has it. */
export function imagesTable(
  images: readonly ListedImage[],
  { whole, digests }: { readonly whole: boolean; readonly digests: boolean },
  style: Style,
): string {
  const row = (image: ListedImage, digest: readonly string[]): string[] => [
    image.repository,
    image.tag,
    ...digest,
    idText(image.id, whole),
    ago(image.created),
    image.layers.toString(),
    bytesText(image.size),
  ];
  return table(
    ['REPOSITORY', 'TAG', ...(digests ? ['DIGEST'] : []), 'IMAGE ID', 'CREATED', 'LAYERS', 'SIZE'],
    images.flatMap((image) => {
      if (!digests) return [row(image, [])];
      return (image.digests.length === 0 ? [NONE] : image.digests).map((digest) => row(image, [digest]));
    }),
    style,
  );
}

/** What Docker shows of a line that is no image. */
export const MISSING = '<missing>';
const MOST_CREATED_BY = 45;

export function historyTable(lines: readonly HistoryLine[], whole: boolean, style: Style): string {
  const cut = (text: string): string =>
    whole || text.length <= MOST_CREATED_BY ? text : `${text.slice(0, MOST_CREATED_BY - 1)}…`;
  return table(
    ['IMAGE', 'CREATED', 'CREATED BY', 'SIZE', 'COMMENT'],
    lines.map(({ id, created, createdBy, size, comment }) => [
      id === '' ? MISSING : idText(id, whole),
      created === '' ? '' : ago(created),
      cut(createdBy),
      bytesText(size),
      comment,
    ]),
    style,
  );
}

export function tracesTable(
  rows: readonly { readonly trace: Trace; readonly mark: Mark | undefined }[],
  style: Style,
): string {
  return table(
    ['RUN', 'COMMAND', 'CONTAINER', 'WHEN', 'TOOK', 'EXIT', 'SENT'],
    rows.map(({ trace: { run, command, container, containerName, spans, over, exitCode }, mark }) => {
      const [root] = spans;
      return [
        run,
        command,
        containerName ?? container?.slice(0, 12) ?? '',
        root === undefined ? '' : ago(new Date(Number(root.start / 1_000_000n)).toISOString()),
        root === undefined ? '' : durationText(Number(root.end - root.start)),
        over ? (exitCode ?? 0).toString() : 'not over',
        mark === undefined ? '' : mark.state === 'sent' ? 'yes' : 'failed',
      ];
    }),
    style,
  );
}

/** As `ps -ef` has it. */
export function processesTable(entries: readonly TopEntry[], style: Style): string {
  return table(
    ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'],
    entries.map(({ UID, PID, PPID, C, STIME, TTY, TIME, CMD }) => [
      ...[UID, PID, PPID, C].map(String),
      clock(new Date(STIME)),
      TTY,
      duration(TIME),
      CMD,
    ]),
    style,
  );
}

const two = (number: number): string => number.toString().padStart(2, '0');

/** The time of day, or the day if it was another. */
function clock(start: Date): string {
  if (Date.now() - start.getTime() < 86_400_000) return `${two(start.getHours())}:${two(start.getMinutes())}`;
  return `${start.toLocaleString('en', { month: 'short' })}${two(start.getDate())}`;
}

const duration = (seconds: number): string =>
  [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) => two(Math.floor(part))).join(':');
