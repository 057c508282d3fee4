import { step } from '../../engine/step.ts';
import { unlessInterrupted } from '../../registry/interrupted.ts';

export const authenticate = step({
  id: 'pull.authenticate',
  title: 'Say who we are, if it asks',
  actor: 'daemon',
  then: { symbol: 'registry.NewSession, AuthConfig', file: 'graph/pull.go CmdPull' },
  now: { where: 'containerd core/remotes/docker/authorizer.go dockerAuthorizer' },
  needs: ['registry', 'registryFound'],
  gives: ['authenticated'],
  observe: [],
  async run({ registry }, { interruption, note }) {
    const authenticated = await unlessInterrupted(interruption, (signal) => registry.authenticate(signal));
    note(`${authenticated}.`);
    return { authenticated };
  },
});
