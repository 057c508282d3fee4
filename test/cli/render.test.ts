import { describe, expect, test } from 'vitest';
import { callsText, diffText, observationText, stepList, valuesText } from '../../src/cli/render/answers.ts';
import { stageCard, stepCard } from '../../src/cli/render/card.ts';
import { cardOf } from '../../src/cli/render/cards-file.ts';
import { renderError } from '../../src/cli/render/errors.ts';
import { explanation } from '../../src/cli/render/explanation.ts';
import { stepFailed, stepLine, stepOutcome, undoHead, undoLine } from '../../src/cli/render/outcome.ts';
import { plainStyle, styleOf } from '../../src/cli/render/style.ts';
import { clean, cutTo, padTo, widthOf, wrap } from '../../src/cli/render/text.ts';
import { TraceTree } from '../../src/cli/render/trace.ts';
import { StepError, TsDockError } from '../../src/engine/failure.ts';
import { KernelError } from '../../src/kernel/calls.ts';
import { CALLS, CHANGES, ended, STEPS, UNDO } from './fake-engine.ts';

const plain = plainStyle(80);
const [mount, clone, exec] = STEPS as [(typeof STEPS)[0], (typeof STEPS)[0], (typeof STEPS)[0]];
const card = `## What happens

All layers of the image become one tree, with a layer on top that can be written to. It is mounted at \`overlay/mnt/ID\`.

- lower: the image
- upper: the container

## Why here

What follows needs a root.

## Look

\`\`\`sh
ls /proc/$PID/root
cat $OTHER
\`\`\`
`;

/** No trailing blanks in what is expected. */
const text = (drawn: string): string => drawn.replace(/ +$/gm, '');

describe('cards', () => {
  test('a step, before it runs', () => {
    expect(
      text(stepCard({ info: mount, number: 12, of: 61, card, undo: UNDO, known: { PID: '42' } }, plain)),
    ).toBe(
      `── [12/61] start · daemon acts ─────────────────────────── start.mount-rootfs ──
Mount all layers as one tree

  All layers of the image become one tree, with a layer on top that can be
  written to. It is mounted at \`overlay/mnt/ID\`.

  • lower: the image
  • upper: the container

  why here  What follows needs a root.
  takes     ancestry
  gives     rootfs
  then      Docker 1.2.0: Daemon.Mount · daemon/daemon.go:907
  now       containerd Mounts · CVE-2014-9357
  undo      unmount overlay/mnt/ab12ab12ab12… (overlay)
  look      ls /proc/42/root ; cat $OTHER`,
    );
  });

  test('a step without a card still says where the run is', () => {
    expect(text(stepCard({ info: clone, number: 2, of: 4, card: '', undo: [], known: {} }, plain))).toBe(
      `── [2/4] launch · daemon acts ────────────────────────────────── launch.clone ──
Clone dockerinit into new namespaces

  takes     rootfs
  gives     child
  then      nothing like it in Docker 1.2.0
  now       runc`,
    );
  });

  test('a stage', () => {
    expect(text(stageCard('launch', '## What happens\n\nA child.\n\n## Why here\n\nIt must.\n', plain))).toBe(
      `── stage launch ────────────────────────────────────────────────────────────────
From a Command to a child in namespaces of its own

  A child.

  It must.`,
    );
  });

  test.each([60, 80, 110])('no line of a card is wider than %i columns, with colours or without', (width) => {
    const cards = [0, 2].map((level) =>
      stepCard(
        { info: mount, number: 12, of: 61, card, undo: UNDO, known: {} },
        plainStyle(width, level as 0 | 2),
      ),
    );
    // eslint-disable-next-line no-control-regex -- colours have no width
    const [bare, coloured] = cards.map((drawn) => drawn.replace(/\u001b\[\d+m/g, ''));
    expect(coloured?.replaceAll('`', '')).toBe(bare?.replaceAll('`', ''));
    for (const line of (bare ?? '').split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(width);
  });

  test('explain shows the whole card', () => {
    expect(
      text(
        explanation('init.exec', exec, '## What happens\n\nexecve.\n\n## Look\n\n```sh\nls\n```\n', plain),
      ),
    ).toBe(
      `Become the program  init.exec
  who     dockerinit
  takes   child
  gives   execd
  then    nothing like it in Docker 1.2.0
  now     runc
  seen by files

What happens
  execve.

Look
    ls`,
    );
  });

  test('every step of this checkout that has a card can be drawn', () => {
    expect(cardOf('launch.clone')).toContain('## What happens');
    expect(cardOf('launch')).not.toBe('');
    expect(cardOf('no.such')).toBe('');
  });
});

describe('after a step', () => {
  test('time, calls, what it gave, what is different', () => {
    expect(text(stepOutcome(ended(mount, 1), false, plain))).toBe(
      `  ✓ 1.50 ms, 3 kernel calls
    · 2 layers
    mkdir("overlay/mnt/ab12ab12ab12…", 0700) = 0                           21 µs
    mount("overlay", "overlay/mnt/ab12ab12ab12…", "overlay", MS_NODE…    1.23 ms
    read("/proc/self/mountinfo") = -1 ENOENT                               90 µs
    = rootfs  /r/overlay/mnt/ab12ab12ab12…
    mounts
      + host overlay/mnt/ab12ab12ab12…  overlay from overlay rw,nodev private
    process
      ~ uids  0 → 1000
      - descriptor 3  socket:[1]`,
    );
  });

  test('much is cut, and says by which word it can be seen', () => {
    const many = {
      ...ended(mount, 1),
      calls: Array.from({ length: 9 }, () => CALLS[0]!),
      more: 3,
      changes: Array.from({ length: 15 }, () => CHANGES[0]!),
    };
    expect(stepOutcome(many, false, plain)).toContain('+8 more, `calls` shows them');
    expect(stepOutcome(many, false, plain)).toContain('+3 more, `diff` shows them');
  });

  test('secrets stay secret unless asked for', () => {
    const given = { ...ended(mount, 1), given: { environment: ['TOKEN=hunter2'] } };
    expect(stepOutcome(given, false, plain)).toContain('TOKEN=…');
    expect(stepOutcome(given, true, plain)).toContain('TOKEN=hunter2');
  });

  test('a step that was passed is one line, as wide with colours as without', () => {
    expect(stepLine(ended(clone, 2), plain)).toBe(`✓ [2/4] launch.clone${' '.repeat(53)}1.50 ms`);
    // eslint-disable-next-line no-control-regex -- colours have no width
    expect(stepLine(ended(clone, 2), plainStyle(80, 1)).replace(/\u001b\[\d+m/g, '')).toBe(
      stepLine(ended(clone, 2), plain),
    );
  });

  test('a step that failed', () => {
    const error = {
      reason: 'kernel',
      step: 'start.mount-rootfs',
      message: 'mount("a"): EPERM (no)',
      means: '',
      remedy: '',
    };
    expect(
      text(
        stepFailed(
          {
            event: 'step-failed',
            step: 'start.mount-rootfs',
            error,
            calls: CALLS.slice(2),
            start: 0,
            end: 2e6,
          },
          plain,
        ),
      ),
    ).toBe(
      `  ✗ start.mount-rootfs failed after 2.00 ms
    mount("a"): EPERM (no)
    read("/proc/self/mountinfo") = -1 ENOENT                               90 µs`,
    );
  });

  test('undoing', () => {
    expect(undoHead('quit', 2, plain)).toBe('undo  2 things, last first: you asked for the end');
    const undone = { step: 'start.mount-rootfs', compensation: UNDO[0]!, ns: 250_000 } as const;
    expect(undoLine({ ...undone, ok: true, error: '' }, plain)).toBe(
      `  undo  unmount overlay/mnt/ab12ab12ab12… (overlay)${' '.repeat(23)}250 µs`,
    );
    expect(undoLine({ ...undone, ok: false, error: 'EBUSY' }, plain)).toContain('\n    ✗ EBUSY');
  });
});

describe('answers', () => {
  test('the list marks what is behind and where the run stands', () => {
    expect(stepList({ event: 'list', steps: STEPS, at: 'launch.clone', when: 'before' }, plain)).toBe(
      `✓  1  start.mount-rootfs           Mount all layers as one tree
▶  2  launch.clone                 Clone dockerinit into new namespaces
   3  init.exec                  ◆ Become the program
   4  exit.wait                    Wait for the end
◆ dockerinit acts`,
    );
  });

  test('values, looks, changes and calls in full', () => {
    expect(
      text(valuesText({ rootfs: '/r', environment: ['A=b'], command: { tty: false } }, false, plain)),
    ).toBe('values\n  rootfs  /r\n  environment[0]  A=…\n  command.tty  false');
    expect(
      text(
        observationText(
          { observer: 'files', lines: { 'hosts line 1': '::1\tlocalhost', hostname: 'a FIFO' } },
          plain,
        ),
      ),
    ).toBe('files\n  hosts line 1  ::1\\tlocalhost\n  hostname      a FIFO');
    expect(observationText({ observer: 'links', lines: {} }, plain)).toBe('links\n  nothing to be seen yet');
    expect(diffText({ event: 'diff', step: 'init.exec', changes: [] }, plain)).toContain(
      'nothing that the observers',
    );
    expect(callsText({ event: 'calls', step: 'start.mount-rootfs', calls: CALLS, more: 2 }, plain)).toContain(
      'upperdir=../ab12/diff")',
    );
  });
});

describe('the tree of times', () => {
  test('stages, steps, undo; dockerinit marked, the wait without a bar', () => {
    const tree = new TraceTree();
    tree.on({ event: 'begin', run: 'r1', steps: STEPS, traceId: 'f'.repeat(32) });
    for (const [index, step] of STEPS.entries())
      tree.on({ ...ended(step, index + 1), end: index === 3 ? 9e9 : (index + 1) * 1e6 });
    tree.on({
      event: 'undone',
      undone: { step: 'start.mount-rootfs', compensation: UNDO[0]!, ok: true, error: '', ns: 500_000 },
    });
    tree.on({ event: 'end', exitCode: 0 });
    const [head, ...rows] = tree.render(plain).split('\n');
    expect(head).toMatch(/^run r1 {2}.* in all, 9\.01 s in steps$/);
    const row = (label: string, time: string, bar = ''): string =>
      `${padTo(label, 38)}${time.padStart(9)}${bar === '' ? '' : `  ${bar}`}`;
    expect(rows).toEqual([
      row('start', '1.00 ms'),
      row('└─ mount-rootfs', '1.00 ms', `${'█'.repeat(10)}▍`.slice(0, 11)),
      row('launch', '5.00 ms'),
      row('├─ clone', '2.00 ms', `${'█'.repeat(20)}▋`),
      row('└─ ◆ init.exec', '3.00 ms', '█'.repeat(31)),
      row('exit', '9.00 s'),
      row('└─ wait', '9.00 s', 'the program ran'),
      row('undo', '500 µs'),
      row('└─ unmount overlay/mnt/ab12ab12ab12…', '500 µs', '█████▏'),
      `◆ in dockerinit, by its own clock · trace ${'f'.repeat(32)}`,
    ]);
  });
});

describe('errors', () => {
  test('what, where, what it means, what to do', () => {
    const error = new StepError('start.mount-rootfs', new KernelError('mount', ['"overlay"'], 'EPERM'));
    expect(renderError(error, plain)).toBe(
      `ts-dock: mount("overlay"): EPERM (the kernel does not permit it: a capability is missing)
  in step start.mount-rootfs
  Whoever runs this may not mount: not root, or root without CAP_SYS_ADMIN, as
  in a container.
  → Run it as root of the host, or give the surrounding container --privileged.`,
    );
  });

  test.each([
    ['mount', 'EINVAL', 'upper layer on another overlay'],
    ['clone3', 'ENOSPC', 'number of namespaces'],
    ['mkdir', 'ENOSPC', 'disk that holds the root is full'],
  ])('%s %s has a hint', (call, code, hint) => {
    expect(renderError(new KernelError(call, [], code), plain)).toContain(hint);
  });

  test('an error of ours speaks for itself', () => {
    const error = new TsDockError('no-such-step', 'there is no step "x"', {
      means: 'It means this.',
      remedy: 'Do that.',
    });
    expect(renderError(error, plain)).toBe('ts-dock: there is no step "x"\n  It means this.\n  → Do that.');
  });

  test('a bug shows where it happened', () => {
    expect(renderError(new Error('oops'), plain)).toMatch(/^ts-dock: Error: oops\n {2}at .*render\.test\.ts/);
  });
});

describe('text', () => {
  test('what could repaint the screen becomes visible', () => {
    expect(clean('a\u001b[31mb\u0007\u202ec\u009bd\n')).toBe('a\\e[31mb\\u0007\\u202ec\\u009bd\\n');
  });

  test('wide characters count twice', () => {
    expect(widthOf('容器ab')).toBe(6);
    expect(cutTo('容器容器', 5)).toBe('容器…');
    expect(wrap('容器的一生', 4)).toEqual(['容器', '的一', '生']);
  });

  test('words are kept whole where they fit', () => {
    expect(wrap('one two  three-is-long', 8)).toEqual(['one two', 'three-is', '-long']);
    expect(wrap('', 8)).toEqual([]);
  });
});

describe('colour', () => {
  const level = (screen: { isTTY?: boolean; columns?: number }, env: NodeJS.ProcessEnv): number =>
    styleOf(screen, env).paint.level;
  const tty = { isTTY: true, columns: 80 };

  test.each<[object, NodeJS.ProcessEnv, number]>([
    [tty, { TERM: 'xterm' }, 1],
    [tty, { TERM: 'xterm-256color' }, 2],
    [tty, { TERM: 'xterm', COLORTERM: 'truecolor' }, 3],
    [tty, { TERM: 'dumb' }, 0],
    [tty, { TERM: 'xterm', NO_COLOR: '1' }, 0],
    [tty, { TERM: 'xterm', NO_COLOR: '' }, 1],
    [{}, { TERM: 'xterm' }, 0],
    [{}, { FORCE_COLOR: '1' }, 1],
    [{}, { FORCE_COLOR: '3' }, 3],
    [{}, { FORCE_COLOR: '1', NO_COLOR: '1' }, 1],
    [tty, { TERM: 'xterm', FORCE_COLOR: '0' }, 0],
  ])('%j %j', (screen, env, expected) => {
    expect(level(screen, env)).toBe(expected);
  });

  test('the width is that of the terminal, within reason', () => {
    expect(styleOf({ isTTY: true, columns: 200 }, {}).width).toBe(110);
    expect(styleOf({ isTTY: true, columns: 20 }, {}).width).toBe(60);
    expect(styleOf({}, {}).width).toBe(80);
  });
});
