/**
 * The command line: one thin file per command below `commands/`, set up here. The only place that ends the process, and
 * the only one that knows how an error becomes an exit code.
 */
import { Command, CommanderError } from 'commander';
import { EXIT, rootCause, TsDockError } from '../engine/failure.ts';
import { addRootFlag } from './options.ts';
import { Cli } from './cli.ts';
import { attachCommand } from './commands/attach.ts';
import { createCommand } from './commands/create.ts';
import { doctorCommand } from './commands/doctor.ts';
import { eventsCommand } from './commands/events.ts';
import { execCommand } from './commands/exec.ts';
import { explainCommand } from './commands/explain.ts';
import { hostCommand } from './commands/host.ts';
import { imagesCommand } from './commands/images.ts';
import { inspectCommand } from './commands/inspect.ts';
import { logsCommand } from './commands/logs.ts';
import { killCommand } from './commands/kill.ts';
import { pauseCommand, unpauseCommand } from './commands/pause.ts';
import { psCommand } from './commands/ps.ts';
import { recoverCommand } from './commands/recover.ts';
import { renameCommand } from './commands/rename.ts';
import { replayCommand } from './commands/replay.ts';
import { restartCommand } from './commands/restart.ts';
import { rmCommand } from './commands/rm.ts';
import { runCommand } from './commands/run.ts';
import { startCommand } from './commands/start.ts';
import { statsCommand } from './commands/stats.ts';
import { stepsCommand } from './commands/steps.ts';
import { superviseCommand } from './commands/supervise.ts';
import { stopCommand } from './commands/stop.ts';
import { uninstallCommand } from './commands/uninstall.ts';
import { traceCommand } from './commands/trace.ts';
import { updateCommand } from './commands/update.ts';
import { topCommand } from './commands/top.ts';
import { versionCommand } from './commands/version.ts';
import { waitCommand } from './commands/wait.ts';
import { groupOf, helpFor, OTHER_GROUP } from './help.ts';
import { VERSION } from './version.ts';

function program(cli: Cli): Command {
  const ts = new Command('ts-dock')
    .description('A debugger for docker run: every stage can be stopped at, looked at, explained, undone.')
    .version(VERSION, '--version', 'show the version')
    .helpOption('--help', 'show this help')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .commandsGroup(OTHER_GROUP)
    .helpCommand('help [command]', 'show the help of a command')
    .configureOutput({
      writeOut: (text) => {
        cli.print(text);
      },
      writeErr: (text) => {
        cli.say(text);
      },
    })
    .exitOverride();
  addRootFlag(ts);
  const commands = [
    runCommand,
    createCommand,
    startCommand,
    attachCommand,
    logsCommand,
    stopCommand,
    restartCommand,
    killCommand,
    waitCommand,
    pauseCommand,
    unpauseCommand,
    renameCommand,
    updateCommand,
    execCommand,
    topCommand,
    psCommand,
    statsCommand,
    eventsCommand,
    inspectCommand,
    rmCommand,
    imagesCommand,
    stepsCommand,
    explainCommand,
    traceCommand,
    replayCommand,
    recoverCommand,
    hostCommand,
    doctorCommand,
    uninstallCommand,
    versionCommand,
  ];
  for (const make of commands) {
    const command = make(cli).exitOverride().copyInheritedSettings(ts);
    command.addHelpText('after', () => helpFor(command.name()));
    ts.addCommand(command.helpGroup(groupOf(command.name())));
  }
  ts.addCommand(superviseCommand(cli).exitOverride(), { hidden: true });
  ts.addHelpText('after', () => helpFor(''));
  // --root stands before the command, so that it is known before any command reads it.
  ts.hook('preAction', () => {
    cli.useRoot(ts.opts<{ root?: string }>().root);
  });
  return ts;
}

async function main(): Promise<number> {
  const cli = new Cli();
  try {
    await program(cli).parseAsync(process.argv);
    return cli.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    cli.showError(error);
    const cause = rootCause(error);
    return cause instanceof TsDockError ? cause.exitCode : EXIT.tsdock;
  } finally {
    await cli.flush();
  }
}

// Everything that is made beneath the root is the root's alone.
process.umask(0o077);
void main().then((code) => {
  process.exit(code);
});
