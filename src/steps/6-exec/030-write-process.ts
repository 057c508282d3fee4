import { join } from 'node:path';
import { recordEvent, subjectOf } from '../../daemon/events.ts';
import { execConfigOf } from '../../daemon/exec-config.ts';
import type { InitConfig } from '../../daemon/init-config.ts';
import { beneath } from '../../daemon/store.ts';
import { step } from '../../engine/step.ts';

export const writeProcess = step({
  id: 'exec.write-process',
  title: 'Write down what the process shall be',
  actor: 'daemon',
  then: { symbol: '', file: '' },
  now: { where: 'moby daemon/exec_linux.go execSetPlatformOpt; process.json of runc exec' },
  needs: ['subject', 'execRequest', 'held'],
  gives: ['initConfig', 'bundle'],
  observe: [],
  plan({ subject }, { place, run }) {
    const bundle = join(place.execdriver, subject.container.ID, `exec-${run.id}`);
    return {
      drawn: { bundle },
      undo: [{ lifetime: 'transient', kind: 'remove-tree', path: beneath(place, bundle) }],
    };
  },
  run({ subject, execRequest }, { sys, place, run, drawn: { bundle } }) {
    const { container } = subject;
    const text = sys.readFile(join(place.execdriver, container.ID, 'container.json'));
    const initConfig = execConfigOf(
      JSON.parse(text) as InitConfig,
      container.Config,
      execRequest,
      run.traceparent,
    );
    sys.mkdir(bundle, 0o700);
    // The environment stands in it: nobody but root may read it.
    sys.writeFile(join(bundle, 'container.json'), JSON.stringify(initConfig), 0o600);
    recordEvent(place, 'exec_create', subjectOf(container), { command: execRequest.command.join(' ') });
    return { initConfig, bundle };
  },
});
