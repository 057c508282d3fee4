import { recordEvent } from '../../daemon/events.ts';
import { underLock } from '../../daemon/lock.ts';
import { readTags, setTag } from '../../daemon/tags.ts';
import { step } from '../../engine/step.ts';

export const tag = step({
  id: 'commit.tag',
  title: 'Give it its name',
  actor: 'daemon',
  then: { symbol: 'TagStore.Set', file: 'graph/tags.go' },
  now: { where: 'moby daemon/images/image_commit.go, TagImage' },
  needs: ['commitSource', 'commitRequest', 'committed'],
  gives: ['tagged'],
  observe: ['store'],
  plan({ commitRequest: { name }, committed: { id } }, { sys, place }) {
    if (name === null) return { drawn: undefined, undo: [] };
    const old = readTags(sys, place).get(name.repository)?.get(name.tag) ?? '';
    return {
      drawn: undefined,
      undo: [{ lifetime: 'unless-finished', kind: 'restore-tag', ...name, ours: id, old }],
    };
  },
  run({ commitSource, commitRequest: { name, message }, committed: { id } }, { sys, place, note }) {
    if (name === null) note('No name was asked for.');
    else
      underLock(sys, place, () => {
        setTag(sys, place, name.repository, name.tag, id);
      });
    const imageRef = name === null ? '' : `${name.repository}:${name.tag}`;
    recordEvent(place, 'commit', commitSource, { comment: message, imageID: `sha256:${id}`, imageRef });
    return { tagged: { notes: {} } };
  },
});
