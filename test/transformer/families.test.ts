// Every family with the instruction set that this machine would choose.
import { describe } from 'vitest';
import { agreesWithTransformers } from './agreement.js';
import { ENCODERS, FAMILIES, hasModel } from './fixtures.js';
import { roundsOnceForAGroup } from './group_rounding.js';

describe.skipIf(!hasModel).each([...FAMILIES, ...ENCODERS])('%s', agreesWithTransformers);

describe.skipIf(!hasModel)('bf16 rounding of a prompt that many answers read', roundsOnceForAGroup);
