import { programEnvironment } from '../../daemon/environment.ts';
import { step } from '../../engine/step.ts';

export const env = step({
  id: 'start.env',
  title: 'Put the environment together',
  actor: 'daemon',
  then: { symbol: 'createDaemonEnvironment', file: 'daemon/container.go:1004' },
  now: { where: 'moby daemon/container/container.go CreateDaemonEnvironment' },
  needs: ['subject'],
  gives: ['environment'],
  observe: [],
  run({ subject }, { run, note }) {
    const environment = programEnvironment(subject.container.Config, run.traceparent);
    note(
      `${environment.length.toString()} variables; HOME is for dockerinit to find, in the container's own passwd.`,
    );
    return { environment };
  },
});
