/** `train:` of a recipe: how rows make steps and how steps move the weights. */
import * as z from 'zod';

const whole = () => z.int().min(1);

const keys = z.strictObject({
  tokensPerStep: whole()
    .optional()
    .describe('Most tokens that a step takes; rows are never cut to fit. Excludes rowsPerStep. Without either: 4096.'),
  rowsPerStep: whole()
    .optional()
    .describe('Rows that a step takes (pieces, where overlong splits; pairs, thumbs or prompts). Excludes tokensPerStep.'),
  maxLength: z
    .union([z.literal('auto'), z.int().min(2)])
    .default('auto')
    .describe('Longest row in tokens; auto is the model’s context, but at most 1024.'),
  overlong: z
    .enum(['drop', 'split', 'truncate'])
    .default('split')
    .describe(
      'What happens to rows longer than maxLength: dropped, cut into pieces that lose nothing, or cut after maxLength tokens. All are counted. Each piece for an encoder begins with [CLS] and ends with [SEP]. Answers of pairs, rankings and thumbs are cut, not split; prompts alone are dropped.',
    ),
  steps: whole().optional().describe('Number of steps. Excludes epochs. May grow with --resume where schedule is constant or wsd.'),
  epochs: z.number().gt(0).optional().describe('Passes over the data. Excludes steps. Without either: 1.'),
  learningRate: z.number().gt(0).optional().describe('Highest learning rate. Default: 2e-4 for an adapter, 2e-5 for all weights.'),
  schedule: z
    .enum(['linear', 'cosine', 'constant', 'wsd'])
    .default('cosine')
    .describe('Course of the learning rate after warm-up. wsd: flat, then down over the last `decay` of the steps.'),
  warmup: z
    .number()
    .min(0)
    .default(0.05)
    .describe('Steps over which the rate rises: a share of all steps below 1, a whole number of steps from 1 on.'),
  decay: z.number().gt(0).max(1).default(0.2).describe('Share of the steps in which the schedule wsd goes down.'),
  weightDecay: z.number().min(0).default(0).describe('Decoupled weight decay of AdamW, on matrices: norms and biases are not decayed.'),
  betas: z
    .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
    .default([0.9, 0.999])
    .describe('Decay of AdamW’s two running means.')
    .meta({ expected: 'a list of two numbers from 0 to below 1, as [0.9, 0.999]' }),
  clip: z.number().min(0).default(1).describe('Largest gradient norm; larger ones are scaled down to it. 0 switches clipping off.'),
  shuffle: z.boolean().default(true).describe('Whether rows come in another order in every epoch; false is file order.'),
  seed: z.int().min(0).max(0xffffffff).default(1).describe('Seed of the order of rows, of dropout and of a new adapter.'),
  checkpointEvery: whole().default(50).describe('Steps between checkpoints.'),
  microBatchTokens: z
    .union([z.literal('auto'), whole()])
    .default('auto')
    .describe('Most tokens in flight at once; smaller takes less memory, and the result is the same.'),
  activationCheckpointing: z.boolean().default(false).describe('Compute activations again in the backward pass in place of keeping them.'),
  earlyStopping: z
    .strictObject({
      patience: whole().describe('Evaluations without a better result before training stops.'),
      minimum: z.number().min(0).default(0).describe('Fall of the held-out nats that counts as better.'),
    })
    .nullable()
    .default(null)
    .describe(
      'Stop when the held-out rows no longer get better; needs evaluate. The weights with the lowest held-out figure come out, the start included. null: never.',
    ),
});

/** One key too many, or a figure that fits no meaning of its key. */
function check(train: z.output<typeof keys>, context: z.RefinementCtx): void {
  const exclude = (first: keyof typeof train, second: keyof typeof train) => {
    if (train[first] === undefined || train[second] === undefined) return;
    const message = `train.${first} and train.${second} exclude each other: give one of them`;
    context.addIssue({ code: 'custom', path: [second], message });
  };
  exclude('tokensPerStep', 'rowsPerStep');
  exclude('steps', 'epochs');
  if (train.warmup >= 1 && !Number.isInteger(train.warmup)) {
    const message = `train.warmup must be a share below 1 or a whole number of steps, not ${train.warmup}`;
    context.addIssue({ code: 'custom', path: ['warmup'], message });
  }
}

/** The schema of `train`, with the defaults that depend on which of two keys was given. */
export const trainSchema = keys.superRefine(check).transform(({ tokensPerStep, rowsPerStep, steps, epochs, ...rest }) => ({
  ...(rowsPerStep === undefined ? { tokensPerStep: tokensPerStep ?? 4096 } : { rowsPerStep }),
  ...(steps === undefined ? { epochs: epochs ?? 1 } : { steps }),
  ...rest,
}));

export const LENGTH_LIMIT = 1024;
