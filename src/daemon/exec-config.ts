/**
 * What a process of `exec` is: the container's own container.json, so that capabilities, limits, labels and the filter are
 * those of its first process, with what was asked for in the places that `exec` may choose.
 */
import type { ExecRequest } from '../flows/values.ts';
import { programEnvironment } from './environment.ts';
import type { InitConfig } from './init-config.ts';
import type { Config } from './model.ts';

export function execConfigOf(
  container: InitConfig,
  config: Config,
  request: ExecRequest,
  traceparent: string,
): InitConfig {
  const { env, user, workingDir, tty } = request;
  return {
    ...container,
    user: user === '' ? container.user : user,
    working_dir: workingDir === '' ? container.working_dir : workingDir,
    environment: programEnvironment({ ...config, Tty: tty, Env: [...config.Env, ...env] }, traceparent),
    tty,
  };
}
