// Every family held to the plain loops of the reference.
import { describe, vi } from 'vitest';
import { addon } from '../../lib/native.js';
import { agreesWithTransformers } from './agreement.js';
import { ENCODERS, FAMILIES, hasModel } from './fixtures.js';
import { roundsOnceForAGroup } from './group_rounding.js';

vi.hoisted(() => {
  process.env.ATTUNE_CPU = 'reference';
});

describe.skipIf(!hasModel || addon().cpu.chosen !== 'reference').each([...FAMILIES, ...ENCODERS])('%s', agreesWithTransformers);

describe.skipIf(!hasModel || addon().cpu.chosen !== 'reference')('bf16 rounding of a prompt that many answers read', roundsOnceForAGroup);
