/** From an image's name to a container on disk (notes: 创建容器). */
import { checkResources } from '../steps/1-create/010-check-resources.ts';
import { lookupImage } from '../steps/1-create/020-lookup-image.ts';
import { checkDepth } from '../steps/1-create/030-check-depth.ts';
import { mergeConfig } from '../steps/1-create/040-merge-config.ts';
import { reserveName } from '../steps/1-create/050-reserve-name.ts';
import { newContainer } from '../steps/1-create/060-new-container.ts';
import { initLayer } from '../steps/1-create/070-init-layer.ts';
import { rwLayer } from '../steps/1-create/080-rw-layer.ts';
import { persist } from '../steps/1-create/090-persist.ts';
import { register } from '../steps/1-create/100-register.ts';
import { flow } from '../engine/flow.ts';

export const createSteps = [
  checkResources,
  lookupImage,
  checkDepth,
  mergeConfig,
  reserveName,
  newContainer,
  initLayer,
  rwLayer,
  persist,
  register,
] as const;

export const createFlow = flow(['request'])([...createSteps]);
