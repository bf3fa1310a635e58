// Every family with the instruction set that this machine would choose.
import { describe } from 'vitest';
import { agreesWithTransformers } from './agreement.js';
import { ENCODERS, FAMILIES, hasModel } from './fixtures.js';

describe.skipIf(!hasModel).each([...FAMILIES, ...ENCODERS])('%s', agreesWithTransformers);
