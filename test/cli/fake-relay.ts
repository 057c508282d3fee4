/**
 * A program for a real terminal: relays it to a shell in a pseudo terminal. The variables: `PTY_SCRIPT`, where in-pty.py lies;
 * `RELAY_PROGRAM`, what the shell runs; `RELAY_THROWS`, to fail in the middle; `RELAY_LISTENS`, to hear SIGTERM oneself.
 */
import { PtyEnd } from '../../src/cli/terminal/console-end.ts';
import { DETACH_KEYS, parseDetachKeys } from '../../src/cli/terminal/detach-keys.ts';
import { relay } from '../../src/cli/terminal/relay.ts';
import { Kernel } from '../../src/kernel/kernel.ts';
import { pty } from './pty.ts';

const { PTY_SCRIPT = '', RELAY_PROGRAM = 'exec sh -i', RELAY_THROWS, RELAY_LISTENS } = process.env;

async function main(): Promise<void> {
  process.env['RELAY_PID'] = process.pid.toString();
  const sys = new Kernel();
  const { master, code } = await pty(sys, ['sh', '-c', RELAY_PROGRAM], PTY_SCRIPT);
  const end = new PtyEnd(sys, master);
  void code.then(() => {
    end.finish();
  });
  if (RELAY_LISTENS !== undefined)
    process.on('SIGTERM', () => void end.write(Buffer.from('echo heard the sig""nal\n')));
  if (RELAY_THROWS !== undefined)
    process.on('SIGUSR1', () => {
      throw new Error('a bug');
    });
  const how = await relay(sys, end, {
    input: process.stdin,
    output: process.stdout,
    terminal: 0,
    detachKeys: parseDetachKeys(DETACH_KEYS),
  });
  end.close();
  process.stdout.write(`relay: ${how}\n`);
  process.exit(how === 'ended' ? ((await code) ?? 99) : 0);
}

void main();
