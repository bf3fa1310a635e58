// Every family held to AVX-512 and what lies below it.
import { describe, vi } from 'vitest';
import { addon } from '../../lib/native.js';
import { agreesWithTransformers } from './agreement.js';
import { ENCODERS, FAMILIES, hasModel } from './fixtures.js';
import { roundsOnceForAGroup } from './group_rounding.js';

vi.hoisted(() => {
  process.env.ATTUNE_CPU = 'avx512';
});

describe.skipIf(!hasModel || addon().cpu.chosen !== 'avx512').each([...FAMILIES, ...ENCODERS])('%s', agreesWithTransformers);

describe.skipIf(!hasModel || addon().cpu.chosen !== 'avx512')('bf16 rounding of a prompt that many answers read', roundsOnceForAGroup);
