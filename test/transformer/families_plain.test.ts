// Every family on the engine of plain loops in double: the surface carries a second engine, which agrees with transformers too.
import { describe, vi } from 'vitest';
import { agreesWithTransformers } from './agreement.js';
import { ENCODERS, FAMILIES, hasModel } from './fixtures.js';

vi.hoisted(() => {
  process.env.ATTUNE_TEST_DEVICE = 'plain';
});

describe.skipIf(!hasModel).each([...FAMILIES, ...ENCODERS])('%s', agreesWithTransformers);
