/** The methods by name. */
import type { MethodName } from '../options/index.js';
import type { CrossEntropyOptions } from './cross_entropy.js';
import type { Method } from './method.js';
import { pretrain } from './pretrain.js';
import { sft } from './sft.js';

export type { LossInput, LossOutput, Method, Metric, Needs, Output, StepCounts } from './method.js';
export { stepTotals } from './method.js';

/** Every method that runs. */
export const methods = { pretrain, sft } satisfies Record<MethodName, Method<CrossEntropyOptions>>;
