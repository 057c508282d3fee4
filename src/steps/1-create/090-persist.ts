import { saveContainer, saveHostConfig } from '../../daemon/containers.ts';
import { step } from '../../engine/step.ts';

export const persist = step({
  id: 'create.persist',
  title: 'Write config.json and hostconfig.json',
  actor: 'daemon',
  then: { symbol: 'Container.ToDisk', file: 'daemon/container.go:131' },
  now: { where: 'moby daemon/container/container.go CheckpointTo' },
  needs: ['container', 'createHostConfig', 'rwLayer'],
  gives: ['persisted'],
  observe: ['files'],
  // Nothing to undo of its own: the folder goes as a whole (create.init-layer), and after the layers, so that a removal
  // that stops half-way leaves a container that can still be named.
  run({ container, createHostConfig }, { sys, place }) {
    // config.json comes last: it is what makes the folder a container.
    const hostConfig = saveHostConfig(sys, place, container.ID, createHostConfig);
    const config = saveContainer(sys, place, container, createHostConfig);
    return { persisted: { config, hostConfig } };
  },
});
