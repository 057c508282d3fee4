import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { programOverFifos, programOverStreams } from './program.ts';
import { launch } from './sandbox.ts';

function overStreams() {
  const plan = programOverStreams();
  const [command = '', ...args] = plan.argv;
  const live = launch(command, args, { stdin: 'open' });
  return { live, program: plan.connect(live.child.stdin!, live.child.stdout) };
}

test('answers with output and status, in the order that it was asked', async () => {
  const { live, program } = overStreams();
  const replies = await Promise.all([
    program.say('echo one'),
    program.say('false'),
    program.say('printf two'),
  ]);
  expect(replies).toEqual([
    { status: 0, output: 'one\n' },
    { status: 1, output: '' },
    { status: 0, output: 'two' },
  ]);
  program.end(7);
  expect((await live.done).code).toBe(7);
});

test('keeps variables and its folder from one line to the next', async () => {
  const { live, program } = overStreams();
  await program.say('cd / && x=kept');
  expect(await program.say('echo "$x $PWD"')).toEqual({ status: 0, output: 'kept /\n' });
  program.end();
  await live.done;
});

test('rejects what a program that ends can no longer answer', async () => {
  const { live, program } = overStreams();
  await expect(program.say('exit 3')).rejects.toThrow('ended before it answered');
  await expect(program.say('true')).rejects.toThrow('has ended');
  expect((await live.done).code).toBe(3);
});

test('is driven over fifos by a program that has no streams', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'program-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const plan = programOverFifos(folder, folder);
  const [command = '', ...args] = plan.argv;
  const live = launch(command, args);
  const program = plan.connect();
  expect(await program.say('echo out; echo error >&2')).toEqual({ status: 0, output: 'out\nerror\n' });
  program.end(4);
  expect((await live.done).code).toBe(4);
  program.close();
});
