/** Orders that must not compile: the compiler itself is asked, and must answer at the line of the wrong step. */
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const file = join(root, 'test/types/probe.ts');

const HEAD = `
import { flow } from '../../src/engine/flow.ts';
import { step } from '../../src/engine/step.ts';
const where = { then: { symbol: '', file: '' }, now: { where: '' }, observe: [], actor: 'daemon', title: '' } as const;
const a = step({ ...where, id: 'host.a', needs: [], gives: ['wanted'], run: () => ({ wanted: 'x' }) });
const b = step({ ...where, id: 'host.b', needs: ['wanted'], gives: ['rootfs'], run: ({ wanted }) => ({ rootfs: wanted }) });
const c = step({ ...where, id: 'host.c', needs: ['rootfs', 'wanted'], gives: [], run: () => ({}) });
`;

const options = {
  ...ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile.bind(ts.sys)).config,
    ts.sys,
    root,
  ).options,
  noUnusedLocals: false,
};
let earlier: ts.Program | undefined;

/** The compiler's complaints about `code`, each with the text of the line that it points to. */
function complaints(code: string): { readonly line: string; readonly message: string }[] {
  const text = HEAD + code;
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile.bind(host);
  host.getSourceFile = (name, ...rest) =>
    name === file
      ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true)
      : (earlier?.getSourceFile(name) ?? read(name, ...rest));
  host.fileExists = (name) => name === file || ts.sys.fileExists(name);
  const program = ts.createProgram([file], options, host, earlier);
  earlier = program;
  return program.getSemanticDiagnostics(program.getSourceFile(file)).map(({ start = 0, messageText }) => ({
    line: (text.slice(0, start).split('\n').at(-1) ?? '') + (text.slice(start).split('\n')[0] ?? ''),
    message: ts.flattenDiagnosticMessageText(messageText, '\n'),
  }));
}

describe('a flow', () => {
  it('compiles where every value is given before it is taken', () => {
    expect(complaints('flow([])([\na,\nb,\nc,\n]);')).toEqual([]);
  });

  it('takes values from what is there at the start', () => {
    expect(complaints("flow(['wanted'])([\nb,\nc,\n]);")).toEqual([]);
  });

  it.each([
    ['two steps swapped', 'flow([])([\nb,\na,\n]);', 'b,', 'no earlier step gives this'],
    ['a need that nobody gives', 'flow([])([\na,\nc,\n]);', 'c,', 'no earlier step gives this'],
    ['a value given twice', 'flow([])([\na,\nb,\na,\n]);', 'a,', 'an earlier step gives this already'],
    [
      'a value given twice, once at the start',
      "flow(['wanted'])([\na,\n]);",
      'a,',
      'an earlier step gives this already',
    ],
  ])('does not compile with %s', (_what, code, line, problem) => {
    const found = complaints(code);
    expect(found.map((complaint) => complaint.line)).toContain(line);
    expect(found.map(({ message }) => message).join('\n')).toContain(problem);
  });
});

describe('a step', () => {
  it.each([
    [
      'reads a value that it does not name among its needs',
      "step({ ...where, id: 'host.d', needs: [], gives: [], run: ({ rootfs }) => ({}) });",
    ],
    [
      'does not give what it names',
      "step({ ...where, id: 'host.d', needs: [], gives: ['rootfs'], run: () => ({}) });",
    ],
    [
      'gives a value of the wrong type',
      "step({ ...where, id: 'host.d', needs: [], gives: ['rootfs'], run: () => ({ rootfs: 7 }) });",
    ],
    [
      'changes what it was given',
      "step({ ...where, id: 'host.d', needs: ['rootfs'], gives: [], run: (taken) => { taken.rootfs = ''; return {}; } });",
    ],
    [
      'is of a stage that there is not',
      "step({ ...where, id: 'nowhere.d', needs: [], gives: [], run: () => ({}) });",
    ],
  ])('does not compile where it %s', (_what, code) => {
    expect(complaints(code)).not.toEqual([]);
  });
});
