import { describe, expect, it } from 'vitest';
import { baseName } from '../../lib/checkpoint/base_name.js';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';

describe('the base that an adapter names', () => {
  it.each([
    ['owner/name', 'owner/name', null],
    ['owner/name@main', 'owner/name', null],
    ['owner/name@v1.2', 'owner/name', 'v1.2'],
    [`/place/me/.cache/huggingface/hub/models--owner--a--b/snapshots/${COMMIT}`, 'owner/a--b', COMMIT],
    ['/place/me/work/models/x', './models/x', null],
    ['/place/me/work', './', null],
    ['/place/me/base', '../base', null],
    ['/data/models/x', '/data/models/x', null],
  ])('of %s is %s, revision %s', (model, name, revision) => {
    expect(baseName(model, '/place/me/work')).toEqual({ name, revision });
  });
});
