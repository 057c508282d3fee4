/** A program for a real terminal: the interactive front end, driven by the fake engine. `FAKE_PROGRAM`: what the "container" runs. */
import { spawnSync } from 'node:child_process';
import { styleOf } from '../../src/cli/render/style.ts';
import { InteractiveFrontEnd } from '../../src/cli/terminal/interactive.ts';
import { Narrator } from '../../src/cli/terminal/narrator.ts';
import { drive } from './fake-engine.ts';

const program = process.env['FAKE_PROGRAM'];
const narrator = new Narrator({
  write: (text) => process.stderr.write(text),
  style: styleOf(process.stderr),
  steps: true,
  cards: true,
  trace: false,
  showEnv: false,
  known: {},
});
const frontEnd = new InteractiveFrontEnd(narrator, {
  input: process.stdin,
  output: process.stderr,
  shared: true,
});

void drive(frontEnd, {
  stepping: true,

  program: async () => {
    if (program !== undefined) spawnSync('sh', ['-c', program], { stdio: 'inherit' });
  },
}).then((how) => {
  process.stdout.write(`ended: ${how}\n`);
});
