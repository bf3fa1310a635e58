// Every family held to AVX2 and what lies below it.
import { describe, vi } from 'vitest';
import { addon } from '../../lib/native.js';
import { agreesWithTransformers } from './agreement.js';
import { ENCODERS, FAMILIES, hasModel } from './fixtures.js';

vi.hoisted(() => {
  process.env.ATTUNE_CPU = 'avx2';
});

describe.skipIf(!hasModel || addon().cpu.chosen !== 'avx2').each([...FAMILIES, ...ENCODERS])('%s', agreesWithTransformers);
