import { describe, expect, it } from 'vitest';
import { describeStep, duration } from '../../lib/cli/event_words.js';
import { Progress } from '../../lib/cli/progress.js';
import type { StepEvent } from '../../lib/training/events.js';

const step = (n: number): StepEvent => ({
  event: 'step',
  step: n,
  loss: 2.31416,
  learningRate: 2e-4,
  gradientNorm: 0.8312,
  tokens: 1000,
  computedTokens: 1000,
  trainedTokens: 900,
  tokensPerSecond: 500,
  memoryMiB: 812,
});
const counts = { in: 10, kept: 10, dropped: {}, split: 0, truncated: 0, pieces: 10, tokens: 100, trainedTokens: 90 };
const start = { event: 'start' as const, steps: 10, from: 0, parameters: 1234, counts, sequences: 9, heldOut: 1, microBatchTokens: 2048 };

function screen(isTTY: boolean, quiet = false) {
  let text = '';
  let now = 0;
  const write = (part: string) => {
    text += part;
    return true;
  };
  const stream = { isTTY, columns: 200, write };
  const progress = new Progress(stream, quiet, () => now);
  return {
    progress,
    read: () => text,
    wait: (ms: number) => {
      now += ms;
    },
  };
}

describe('a line of a step', () => {
  it('has loss, rate, norm, speed, time left and memory', () => {
    expect(describeStep(step(3), 10, 192)).toBe('step 3/10  loss 2.3142  lr 2.0e-4  norm 0.831  500 tok/s  3m12s left  812 MiB');
    expect(describeStep(step(10), 10, 0)).not.toContain('left');
  });

  it.each([
    [0, '0s'],
    [59.4, '59s'],
    [192, '3m12s'],
    [7500, '2h05m'],
  ])('shows %f seconds as %s', (seconds, text) => expect(duration(seconds)).toBe(text));
});

describe('progress', () => {
  it('tells of held-out preferences the loss and its figures, with a likelihood beside them too', () => {
    const { progress, read } = screen(false);
    progress.tell({ event: 'evaluation', step: 10, loss: 4.7, tokens: 1106, rewardMargin: 0.25, rewardAccuracy: 0.56, nll: 4.65 });
    progress.tell({ event: 'evaluation', step: 10, tokens: 1106, nll: 4.65, perplexity: Math.exp(4.65) });
    expect(read()).toBe(
      'step 10: held out loss 4.7000, margin 0.250, acc 0.56, over 1,106 tokens\n' +
        'step 10: held out 4.6500 nats a token, perplexity 104.6, over 1,106 tokens\n',
    );
  });

  it('on a terminal is one line that is drawn again', () => {
    const { progress, read } = screen(true);
    progress.tell(start);
    for (const n of [1, 2, 3]) progress.tell(step(n));
    progress.tell({ event: 'checkpoint', step: 3, path: 'x' });
    progress.tell(step(4));
    progress.end();
    const text = read();
    expect(text.split('\r\u001b[2K')).toHaveLength(6);
    expect(text).toContain('step 3: checkpoint x\n');
    expect(text).toContain('14s left');
    expect(text.endsWith('\r\u001b[2K')).toBe(true);
  });

  it('elsewhere is plain lines, some seconds apart', () => {
    const { progress, read, wait } = screen(false);
    progress.tell(start);
    for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) {
      progress.tell(step(n));
      wait(1000);
    }
    expect(read()).not.toContain('\u001b');
    expect([...read().matchAll(/^step (\d+)\//gm)].map(([, n]) => n)).toEqual(['1', '6', '10']);
    expect(read()).toContain('1 sequences held out');
  });

  it('is silent beside events unless someone watches', () => {
    const { progress, read } = screen(false, true);
    for (const event of [start, step(1)]) progress.tell(event);
    progress.download({ event: 'download', file: 'x', bytes: 1, totalBytes: 1 });
    expect(read()).toBe('');
    const watched = screen(true, true);
    watched.progress.tell(step(1));
    expect(watched.read()).toContain('step 1/');
  });

  it('tells of a download', () => {
    const { progress, read } = screen(false);
    progress.download({ event: 'download', file: 'model.safetensors', bytes: 2 ** 20, totalBytes: 2 ** 21 });
    expect(read()).toBe('fetching model.safetensors: 1 of 2 MiB\n');
  });

  it('keeps a line within the terminal', () => {
    let text = '';
    const write = (part: string) => {
      text += part;
      return true;
    };
    const stream = { isTTY: true, columns: 20, write };
    new Progress(stream, false).tell(step(1));
    expect(text).toHaveLength(19);
  });
});
