/**
 * The command line: one thin file per command below `commands/`, set up here. The only place that ends the process, and
 * the only one that knows how an error becomes an exit code.
 */
import { Command, CommanderError } from 'commander';
import { EXIT, rootCause, TsDockError } from '../engine/failure.ts';
import { addRootFlag } from './options.ts';
import { Cli } from './cli.ts';
import { attachCommand } from './commands/attach.ts';
import { commitCommand } from './commands/commit.ts';
import { cpCommand } from './commands/cp.ts';
import { createCommand } from './commands/create.ts';
import { diffCommand } from './commands/diff.ts';
import { doctorCommand } from './commands/doctor.ts';
import { eventsCommand } from './commands/events.ts';
import { execCommand } from './commands/exec.ts';
import { exportCommand } from './commands/export.ts';
import { explainCommand } from './commands/explain.ts';
import { historyCommand } from './commands/history.ts';
import { hostCommand } from './commands/host.ts';
import { imagesCommand } from './commands/images.ts';
import { inspectCommand } from './commands/inspect.ts';
import { importCommand } from './commands/import.ts';
import { loadCommand } from './commands/load.ts';
import { logsCommand } from './commands/logs.ts';
import { killCommand } from './commands/kill.ts';
import { pauseCommand, unpauseCommand } from './commands/pause.ts';
import { psCommand } from './commands/ps.ts';
import { pullCommand } from './commands/pull.ts';
import { pushCommand } from './commands/push.ts';
import { recoverCommand } from './commands/recover.ts';
import { renameCommand } from './commands/rename.ts';
import { replayCommand } from './commands/replay.ts';
import { restartCommand } from './commands/restart.ts';
import { rmCommand } from './commands/rm.ts';
import { rmiCommand } from './commands/rmi.ts';
import { runCommand } from './commands/run.ts';
import { startCommand } from './commands/start.ts';
import { saveCommand } from './commands/save.ts';
import { statsCommand } from './commands/stats.ts';
import { stepsCommand } from './commands/steps.ts';
import { superviseCommand } from './commands/supervise.ts';
import { stopCommand } from './commands/stop.ts';
import { uninstallCommand } from './commands/uninstall.ts';
import { tagCommand } from './commands/tag.ts';
import { traceCommand } from './commands/trace.ts';
import { updateCommand } from './commands/update.ts';
import { topCommand } from './commands/top.ts';
import { versionCommand } from './commands/version.ts';
import { waitCommand } from './commands/wait.ts';
import { groupOf, helpFor, OTHER_GROUP } from './help.ts';
import { VERSION } from './version.ts';

type Commands = Readonly<Record<string, (cli: Cli) => Command>>;

/** Every command, in the order of the help. */
const COMMANDS: Commands = {
  run: runCommand,
  create: createCommand,
  start: startCommand,
  attach: attachCommand,
  logs: logsCommand,
  stop: stopCommand,
  restart: restartCommand,
  kill: killCommand,
  wait: waitCommand,
  pause: pauseCommand,
  unpause: unpauseCommand,
  rename: renameCommand,
  update: updateCommand,
  exec: execCommand,
  cp: cpCommand,
  diff: diffCommand,
  commit: commitCommand,
  export: exportCommand,
  top: topCommand,
  ps: psCommand,
  stats: statsCommand,
  events: eventsCommand,
  inspect: inspectCommand,
  rm: rmCommand,
  images: imagesCommand,
  load: loadCommand,
  import: importCommand,
  save: saveCommand,
  pull: pullCommand,
  push: pushCommand,
  history: historyCommand,
  tag: tagCommand,
  rmi: rmiCommand,
  steps: stepsCommand,
  explain: explainCommand,
  trace: traceCommand,
  replay: replayCommand,
  recover: recoverCommand,
  host: hostCommand,
  doctor: doctorCommand,
  uninstall: uninstallCommand,
  version: versionCommand,
};

/** Not for people: a monitor becomes it. */
const HIDDEN: Commands = { supervise: superviseCommand };

/**
 * Those that a line may need. To make them all takes longer than a container takes to start, so where the line names one,
 * it alone is made; whatever else stands there (help, a misspelt name) needs them all.
 */
function needed(words: readonly string[]): Commands {
  let at = 0;
  while (words[at]?.startsWith('--root') === true) at += words[at] === '--root' ? 2 : 1;
  const name = words[at] ?? '';
  const all: Commands = { ...COMMANDS, ...HIDDEN };
  const asked = Object.hasOwn(all, name) ? all[name] : undefined;
  return asked === undefined ? all : { [name]: asked };
}

function program(cli: Cli, words: readonly string[]): Command {
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
  for (const [name, make] of Object.entries(needed(words))) {
    const command = make(cli).exitOverride().copyInheritedSettings(ts);
    command.addHelpText('after', () => helpFor(name));
    ts.addCommand(command.helpGroup(groupOf(name)), { hidden: Object.hasOwn(HIDDEN, name) });
  }
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
    await program(cli, process.argv.slice(2)).parseAsync(process.argv);
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
