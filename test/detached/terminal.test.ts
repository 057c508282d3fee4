/** Containers with a terminal, at a real one: what is typed, what is resized, leaving, coming back, and what is left of the modes. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { terminal, type Terminal } from '../cli/tmux.ts';
import { sandbox, type Sandbox } from '../rig/sandbox.ts';
import { skipUnlessProgram, skipUnlessRoot } from '../rig/skip.ts';
import { eventually } from './eventually.ts';

const program = join(import.meta.dirname, '../../dist/ts-dock.cjs');

/** A shell at a terminal that knows `t`, and says `modes kept` when a command left the terminal as it was. */
function shell(box: Sandbox): Terminal {
  const command = [
    `t() { "${process.execPath}" "${program}" --root "${box.root}" "$@"; }`,
    'before=$(stty -g)',
    'check() { code=$?; [ "$(stty -g)" = "$before" ] && echo "modes kept, code $code" || echo "modes lost, code $code"; }',
    'PS1="$ "; while printf "$ "; read -r line; do eval "$line"; done',
  ].join('; ');
  return terminal(command, { PATH: process.env['PATH'] ?? '' }, [80, 40]);
}

describe.skipIf(skipUnlessRoot() || skipUnlessProgram('tmux'))('a container with a terminal', () => {
  it('has one of its own, of the size of ours, and leaves ours as it was', async () => {
    const box = await sandbox();
    const screen = shell(box);
    await screen.until(/^\$/m);
    screen.keys('t run --rm -it --name term base sh -c "stty size; exec sh"; check', 'Enter');
    // From the very start, and not only when somebody has typed.
    expect(await screen.until(/^\/ #/m)).toMatch(/^40 80$/m);
    screen.keys('tty; stty size; echo "in $((20+3))"', 'Enter');
    expect(await screen.until(/in 23/)).toMatch(/\/dev\/pts\/0\s+40 80/);
    screen.keys('sleep 100', 'Enter');
    screen.keys('C-c');
    screen.keys('echo "interrupted $?"', 'Enter');
    await screen.until(/interrupted 130/);
    screen.keys('exit 6', 'Enter');
    await screen.until(/modes kept, code 6/);
    expect((await box.run(['ps', '-aq'])).stdout).toBe('');
  });

  it('is left with ctrl-p ctrl-q, goes on, and is come back to', async () => {
    const box = await sandbox();
    const screen = shell(box);
    await screen.until(/^\$/m);
    screen.keys('t run -it --name stay base sh; check', 'Enter');
    await screen.until(/^\/ #/m);
    screen.keys('secret=kept', 'Enter', 'C-p', 'C-q');
    await screen.until(/modes kept, code 0/);
    expect((await box.run(['ps'])).stdout).toMatch(/Up .* stay/);
    screen.keys('clear; t attach stay; check', 'Enter', 'Enter');
    await screen.until(/^\/ #/m);
    screen.keys('echo "is $secret"', 'Enter');
    await screen.until(/is kept/);
    screen.keys('exit 3', 'Enter');
    await screen.until(/modes kept, code 3/);
    await eventually(
      () => box.run(['ps', '-a']),
      ({ stdout }) => /Exited \(3\).* stay/.test(stdout),
    );
  });

  it('gives the terminal back when ts-dock is told to end', async () => {
    const box = await sandbox();
    const screen = shell(box);
    await screen.until(/^\$/m);
    screen.keys('t run -it --name told base sh; check', 'Enter');
    await screen.until(/^\/ #/m);
    const clients = execFileSync('pgrep', ['-f', '--', `--root ${box.root} run -it`], { encoding: 'utf8' });
    process.kill(Number(clients.trim().split('\n').at(-1)), 'SIGHUP');
    await screen.until(/modes kept, code 0/);
    expect((await box.run(['ps'])).stdout).toMatch(/Up .* told/);
    const [found] = JSON.parse((await box.run(['inspect', 'told'])).stdout) as [{ State: { Pid: number } }];
    process.kill(found.State.Pid, 'SIGKILL');
    expect((await box.run(['wait', 'told'])).stdout).toBe('137\n');
  });

  it('shares it with the stepper: until the program runs, and after its end', async () => {
    const box = await sandbox();
    const screen = shell(box);
    await screen.until(/^\$/m);
    screen.keys(
      't run --rm -it --break init.ptmx-console:after --break exit.persist base sh; check',
      'Enter',
    );
    await screen.until(/after init\.ptmx-console>/);
    screen.keys('c', 'Enter');
    await screen.until(/^\/ #/m);
    screen.keys('exit 4', 'Enter');
    await screen.until(/exit\.persist>/);
    screen.keys('c', 'Enter');
    await screen.until(/modes kept, code 4/);
  });

  it('needs a terminal to type at', async () => {
    const box = await sandbox();
    const refused = await box.run(['run', '--rm', '-it', 'base', 'sh']);
    expect(refused.code).toBe(125);
    expect(refused.stderr).toContain('the input device is not a TTY');
  });

  it('is one for the program also where nobody sits at ours', async () => {
    const box = await sandbox();
    await box.run(['run', '--rm', 'base', 'true']);
    const done = await box.run(['run', '--rm', '-t', 'base', 'sh', '-c', 'tty; echo err >&2; exit 2']);
    expect(done).toMatchObject({ code: 2, stderr: '' });
    expect(done.stdout).toBe('/dev/pts/0\r\nerr\r\n');
  });
});
