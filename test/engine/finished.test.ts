/**
 * What stays only if a run came to its end: kept by its last line, undone by an error, by a person who quits and by a kill;
 * and that an image is not taken from under those who came to use it meanwhile.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { containerFolder, saveContainer } from '../../src/daemon/containers.ts';
import { storeImage } from '../../src/daemon/images.ts';
import { dropImage } from '../../src/daemon/image-undo.ts';
import { adoptLayer, linkFolder } from '../../src/daemon/layers.ts';
import { EMPTY_HOST_CONFIG, type Container } from '../../src/daemon/model.ts';
import { placeOf, type Place } from '../../src/daemon/place.ts';
import { prepareRoot } from '../../src/daemon/store.ts';
import { readTags, setTag } from '../../src/daemon/tags.ts';
import { parseFailpoint } from '../../src/engine/failpoints.ts';
import type { FrontEnd, FrontEndCommand } from '../../src/engine/frontend.ts';
import { drawRunId, Journal, openRuns, readStory } from '../../src/engine/journal.ts';
import { Breakpoints } from '../../src/engine/pauses.ts';
import { recover } from '../../src/engine/recovery.ts';
import { drawTrace, walkFlow, type Outcome } from '../../src/engine/session.ts';
import { step, type AnyStep } from '../../src/engine/step.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { randomHex } from '../../src/kernel/random.ts';

const sys = new Kernel();
let top = '';
let place: Place;

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'finished-'));
  place = placeOf(join(top, 'root'));
  prepareRoot(sys, place);
});
afterEach(() => {
  rmSync(top, { recursive: true });
});

const makes = (id: 'load.scratch' | 'load.product', lifetime: 'transient' | 'unless-finished'): AnyStep => {
  const path = id.slice('load.'.length);
  return step({
    id,
    title: 'Make a folder',
    actor: 'daemon',
    then: { symbol: '', file: '' },
    now: { where: '' },
    needs: [],
    gives: [],
    observe: [],
    plan: () => ({ drawn: undefined, undo: [{ lifetime, kind: 'remove-tree', path }] }),
    run: () => {
      mkdirSync(join(place.root, path));
      return {};
    },
  });
};
const steps = [makes('load.scratch', 'transient'), makes('load.product', 'unless-finished')];
const made = (): string[] => readdirSync(place.root).filter((name) => /^(scratch|product)$/.test(name));

function walk(settings: { fail?: string; quitAt?: string } = {}): Promise<Outcome> {
  const ids = steps.map(({ id }) => id);
  const frontEnd: FrontEnd = {
    on: () => undefined,
    command: (): Promise<FrontEndCommand> => Promise.resolve({ command: 'quit' }),
    close: () => undefined,
  };
  return walkFlow({
    sys,
    place,
    command: 'load',
    version: 'test',
    steps,
    initial: {},
    rm: false,
    stdin: 'null',
    self: [],
    signals: 'passed',
    failpoints: settings.fail === undefined ? [] : [parseFailpoint(settings.fail, ids)],
    breakpoints: new Breakpoints(settings.quitAt === undefined ? [] : [settings.quitAt], false, ids),
    frontEnd,
    watcher: undefined,
  });
}

describe('what a run makes for good', () => {
  it('stays when the run has come to its end, and its scratch goes', async () => {
    expect(await walk()).toMatchObject({ exitCode: 0, error: undefined, undoFailures: [] });
    expect(made()).toEqual(['product']);
    expect(openRuns(sys, place.journal)).toEqual([]);
    expect(await recover(sys, place)).toEqual([]);
    expect(made()).toEqual(['product']);
  });

  it.each([['load.product:before=error'], ['load.product:after=error']])(
    'goes when the run fails (%s)',
    async (fail) => {
      expect((await walk({ fail })).exitCode).toBe(125);
      expect(made()).toEqual([]);
      expect(openRuns(sys, place.journal)).toEqual([]);
    },
  );

  it('goes when somebody quits after the last step', async () => {
    expect((await walk({ quitAt: 'load.product:after' })).exitCode).toBe(0);
    expect(made()).toEqual([]);
  });

  it.each([
    [false, []],
    [true, ['product']],
  ])('after a kill is told from the journal alone (last line written: %s)', async (finished, left) => {
    const journal = Journal.begin(sys, place.journal, {
      run: drawRunId(randomHex(4)),
      command: 'load',
      trace: drawTrace(undefined),
      rm: false,
      version: 'test',
    });
    for (const path of ['scratch', 'product']) {
      const lifetime = path === 'scratch' ? 'transient' : 'unless-finished';
      journal.plan(1, `load.${path}`, null, [{ lifetime, kind: 'remove-tree', path }]);
      mkdirSync(join(place.root, path));
    }
    if (finished) journal.write({ k: 'finished' });
    journal.leave();
    // A lock of this very process would be free to it: the kernel gives it up where any descriptor of the file is closed.
    expect(readStory(sys, place.journal, journal.run).pending).toHaveLength(finished ? 1 : 2);
    expect(await recover(sys, place)).toHaveLength(1);
    expect(made()).toEqual(left);
    expect(openRuns(sys, place.journal)).toEqual([]);
  });
});

describe('an image that is dropped', () => {
  const idOf = (beginning: string): string => beginning.padEnd(64, '0');
  const [low, high, image, other] = ['aa11', 'bb22', 'cc33', 'dd44'].map(idOf) as [
    string,
    string,
    string,
    string,
  ];
  const layers = [low, high];

  /** Two layers, the upper one shared by two images of other configurations. */
  beforeEach(() => {
    for (const id of layers) {
      const staged = join(place.root, 'tmp', id);
      mkdirSync(join(staged, 'diff'), { recursive: true });
      adoptLayer(sys, place, id, staged);
    }
    storeImage(sys, place, { id: low, created: '', Size: 1 });
    for (const id of [image, other]) register(id);
  });
  function register(id: string): void {
    mkdirSync(join(place.overlay, id));
    writeFileSync(join(place.overlay, id, 'link'), high.slice(0, 12));
    storeImage(sys, place, { id, parent: low, created: '', Size: 1 });
  }
  const there = (): readonly string[][] => [
    readdirSync(place.graph).sort(),
    readdirSync(place.overlay)
      .filter((name) => name.length === 64)
      .sort(),
    readdirSync(linkFolder(place)).sort(),
  ];
  const nothing = [[], [], []];

  it('leaves what another image stands on, and goes with all layers when it was the last', () => {
    dropImage(sys, place, image, layers);
    expect(there()).toEqual([
      [low, other],
      [low, high, other],
      [low.slice(0, 12), high.slice(0, 12)],
    ]);
    dropImage(sys, place, other, layers);
    expect(there()).toEqual(nothing);
    dropImage(sys, place, other, layers);
    expect(readdirSync(join(place.root, 'tmp'))).toEqual([]);
  });

  it('goes also where only its layers had come to be, or not even all of a layer', () => {
    for (const id of [image, other]) {
      rmSync(join(place.graph, id), { recursive: true });
      rmSync(join(place.overlay, id), { recursive: true });
    }
    rmSync(join(place.overlay, high, 'link'));
    dropImage(sys, place, image, layers);
    expect(there()).toEqual(nothing);
  });

  it('stays while a name means it, or a container was made from it', () => {
    rmSync(join(place.graph, other), { recursive: true });
    rmSync(join(place.overlay, other), { recursive: true });
    const before = there();
    setTag(sys, place, 'found', 'v1', image);
    dropImage(sys, place, image, layers);
    expect(there()).toEqual(before);
    rmSync(place.repositories);

    const id = idOf('ee55');
    mkdirSync(containerFolder(place, id));
    const container = { ID: id, Name: '/c', Image: image, State: {}, Config: {} } as unknown as Container;
    saveContainer(sys, place, container, EMPTY_HOST_CONFIG);
    dropImage(sys, place, image, layers);
    expect(there()).toEqual(before);
    rmSync(containerFolder(place, id), { recursive: true });
    dropImage(sys, place, image, layers);
    expect(there()).toEqual(nothing);
  });

  it('never leads elsewhere: what is no id is passed over', () => {
    mkdirSync(join(top, 'victim'));
    symlinkSync(join(top, 'victim'), join(place.graph, 'x'));
    const before = there();
    dropImage(sys, place, '../../victim', ['..', '', 'x']);
    expect(there()).toEqual(before);
    expect(readdirSync(top)).toContain('victim');
  });
});

describe('a tag that is put back', () => {
  const [before, ours, theirs] = ['aa', 'bb', 'cc'].map((b) => b.padEnd(64, '0')) as [string, string, string];
  const undo = async (old: string): Promise<void> => {
    const journal = Journal.begin(sys, place.journal, {
      run: drawRunId(randomHex(4)),
      command: 'load',
      trace: drawTrace(undefined),
      rm: false,
      version: 'test',
    });
    journal.plan(1, 'load.tag', null, [
      { lifetime: 'unless-finished', kind: 'restore-tag', repository: 'app', tag: 'v1', ours, old },
    ]);
    journal.leave();
    await recover(sys, place);
  };

  it('means what it meant, or is not there again', async () => {
    setTag(sys, place, 'app', 'v1', before);
    const file = readFileSync(place.repositories, 'utf8');
    setTag(sys, place, 'app', 'v1', ours);
    await undo(before);
    expect(readFileSync(place.repositories, 'utf8')).toBe(file);
    rmSync(place.repositories);
    setTag(sys, place, 'app', 'v1', ours);
    await undo('');
    expect(readdirSync(place.root)).not.toContain('repositories-overlay');
  });

  it('stays somebody else’s who has taken it since', async () => {
    setTag(sys, place, 'app', 'v1', theirs);
    await undo(before);
    expect(readTags(sys, place).get('app')?.get('v1')).toBe(theirs);
  });
});
