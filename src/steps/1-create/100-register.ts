import { containerIds, uniquePrefix } from '../../daemon/containers.ts';
import { writeCidFile } from '../../daemon/cid-file.ts';
import { recordEvent, subjectOf } from '../../daemon/events.ts';
import { step } from '../../engine/step.ts';

export const register = step({
  id: 'create.register',
  title: 'Register in idIndex and contStore',
  actor: 'daemon',
  then: { symbol: 'Daemon.register', file: 'daemon/daemon.go:187' },
  now: { where: 'moby daemon/container.go Register' },
  needs: ['persisted', 'identity', 'container', 'createHostConfig'],
  gives: ['registered', 'wanted'],
  observe: ['store'],
  run({ identity: { id }, container, createHostConfig }, { sys, place, note }) {
    const ids = containerIds(sys, place);
    const prefix = uniquePrefix(ids, id);
    if (createHostConfig.ContainerIDFile !== '') writeCidFile(sys, createHostConfig.ContainerIDFile, id);
    recordEvent(place, 'create', subjectOf(container));
    note(
      `idIndex finds it by ${prefix}; contStore holds ${ids.length.toString()} ${ids.length === 1 ? 'container' : 'containers'}. Both were memory of the daemon; here they are read from containers/.`,
    );
    return { registered: { id, prefix, containers: ids.length }, wanted: id };
  },
});
