import { describe, expect, it } from 'vitest';
import { failureOf } from '../../lib/cli/failure.js';
import { DataError, InterruptedError, RequestError, WorkError } from '../../lib/errors/index.js';

const going = new AbortController().signal;

describe('an error on the command line', () => {
  it.each([
    [new RequestError('bad_recipe', 'no'), 2],
    [new DataError('bad_row', 'no'), 3],
    [new WorkError('disk_full', 'no'), 1],
    [new InterruptedError('no'), 130],
    [new TypeError('x is not a function'), 1],
  ])('%s ends with status %i', (error, status) => {
    expect(failureOf(error, going).status).toBe(status);
  });

  it('has its place in text and event', () => {
    const { text, event } = failureOf(new DataError('bad_row', 'is no JSON', { file: 'a.jsonl', line: 7, column: 3 }), going);
    expect(text).toBe('attune: a.jsonl:7:3: is no JSON');
    expect(event).toEqual({ event: 'error', code: 'bad_row', message: 'a.jsonl:7:3: is no JSON', file: 'a.jsonl', line: 7 });
  });

  it('shows a stack only when asked', () => {
    const error = new WorkError('internal', 'no', { cause: new Error('deeper') });
    expect(failureOf(error, going, false).text).toBe('attune: no');
    expect(failureOf(error, going, true).text).toMatch(/WorkError: no\n\s+at [\s\S]*caused by Error: deeper\n\s+at /);
  });

  it('of an unforeseen kind says that it is ours, in one line', () => {
    expect(failureOf(new TypeError('x is not\na function'), going)).toMatchObject({
      text: expect.stringMatching(/^attune: x is not \(this is a fault of attune; .*ATTUNE_DEBUG=1.*\)$/),
      event: { code: 'internal' },
    });
    expect(failureOf('thrown', going).text).toContain('thrown');
    expect(failureOf(undefined, going).status).toBe(1);
  });

  it('after an abort is an interruption', () => {
    const stopped = AbortSignal.abort();
    expect(failureOf(stopped.reason, stopped).status).toBe(130);
    expect(failureOf(stopped.reason, going).status).toBe(1);
  });

  it('never fills the screen', () => {
    expect(failureOf(new DataError('x', 'y'.repeat(10_000)), going).event.message.length).toBeLessThan(2000);
  });
});
