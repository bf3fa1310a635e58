/** The parts of a recipe beside `train` and `method`: compute, adapter, data, template, checks, evaluate. */
import * as z from 'zod';
import { nearest } from '../errors/index.js';

const DTYPES = ['bf16', 'f32'] as const;
export type Dtype = (typeof DTYPES)[number];

const dtypeSchema = z
  .enum(DTYPES)
  .default('bf16')
  .describe('Arithmetic of the forward and backward pass. Adapters and optimiser state are always f32.');

const deviceSchema = z
  .string()
  .regex(/^(auto|cpu|cuda(:\d+)?)$/)
  .default('auto')
  .describe('Where the arithmetic runs: the CPU. There is no other device in this version.')
  .meta({ expected: 'auto or cpu' });

const threadsSchema = z
  .union([z.literal('auto'), z.int().min(1).max(1024)])
  .default('auto')
  .describe('Number of CPU threads; the result is the same for every number.');

export const computeSchema = z
  .strictObject({ device: deviceSchema, dtype: dtypeSchema, threads: threadsSchema })
  .prefault({})
  .describe('Where and in what arithmetic the work is done.');

/** Linear layers that an adapter can sit on, by the last part of their name in the checkpoint. */
const LINEAR_LAYERS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;

const target = z
  .string()
  .superRefine((name, context) => {
    if ((LINEAR_LAYERS as readonly string[]).includes(name.split('.').at(-1) ?? '')) return;
    const guess = nearest(name, [...LINEAR_LAYERS, 'all-linear']);
    const hint = guess === undefined ? '' : `; did you mean ${guess}?`;
    context.addIssue({
      code: 'custom',
      message: `adapter.targets: ${name} is no linear layer; known are ${LINEAR_LAYERS.join(', ')}${hint}`,
    });
  })
  .meta({ expected: 'the name of a linear layer, as q_proj' });

const adapterKeys = z.strictObject({
  from: z.string().min(1).optional().describe('Folder of a PEFT adapter to go on from; it brings rank, alpha, targets and rsLora.'),
  rank: z
    .int()
    .min(1)
    .max(4096)
    .optional()
    .describe('Rank of the low-rank term; at most 2720 where q_proj, k_proj and v_proj all have one. Default 16.'),
  alpha: z.number().gt(0).optional().describe('Scale: the low-rank term is multiplied by alpha / rank. Default twice the rank.'),
  targets: z
    .union([z.literal('all-linear'), z.array(target).min(1)])
    .optional()
    .describe('Which linear layers get an adapter. Default all-linear.'),
  dropout: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe(
      'Share of an adapter’s inputs that is set to zero in training, in pretrain, sft, distill, mlm and plm; in the other methods nothing is dropped, and a warning says so.',
    ),
  rsLora: z.boolean().optional().describe('Scale by alpha / √rank in place of alpha / rank. Default false.'),
  seed: z.int().min(0).max(0xffffffff).optional().describe('Seed of a new adapter’s first values. Default train.seed.'),
});

const BROUGHT = ['rank', 'alpha', 'targets', 'rsLora'] as const;

/** Layers that read the same input are one product, and the ranks of their adapters lie side by side in it: at most 255 steps of 32. */
const MOST_RANKS = 255 * 32;
const SHARING = [
  ['q_proj', 'k_proj', 'v_proj'],
  ['gate_proj', 'up_proj'],
] as const;

/** The highest rank that the kernels take on these layers, and the layers that bound it. */
function highestRank(targets: 'all-linear' | string[] = 'all-linear'): { most: number; sharing: readonly string[] } {
  const has = (layer: string) => targets === 'all-linear' || targets.some((name) => name.split('.').at(-1) === layer);
  const [sharing = []] = SHARING.map((layers) => layers.filter(has)).toSorted((a, b) => b.length - a.length);
  return { most: Math.floor(MOST_RANKS / Math.max(1, sharing.length)), sharing };
}

function checkRank({ rank, targets }: z.output<typeof adapterKeys>, context: z.RefinementCtx): void {
  const { most, sharing } = highestRank(targets);
  if (rank === undefined || rank <= most) return;
  const why = sharing.length > 1 ? ` for ${sharing.join(', ')}, which are one product` : '';
  context.addIssue({ code: 'custom', path: ['rank'], message: `adapter.rank must be at most ${most}${why}, not ${rank}` });
}

function checkAdapter(adapter: z.output<typeof adapterKeys>, context: z.RefinementCtx): void {
  checkRank(adapter, context);
  if (adapter.from === undefined) return;
  for (const key of BROUGHT.filter((key) => adapter[key] !== undefined))
    context.addIssue({ code: 'custom', path: [key], message: `adapter.${key} is brought by the adapter in adapter.from: leave it out` });
}

/** `null` (or the key left out): all weights are trained. */
export const adapterSchema = adapterKeys
  .superRefine(checkAdapter)
  .nullable()
  .default(null)
  .describe('A LoRA adapter to train. Left out or null: all weights are trained.');

const sourceSchema = z.strictObject({
  path: z.string().min(1).describe('A file or a glob, from the recipe’s folder: .txt .md .jsonl .json .csv .tsv .parquet, also with .gz.'),
  weight: z
    .number()
    .gt(0)
    .max(1000)
    .default(1)
    .describe('How often an epoch passes over this source: 2 is twice, 0.5 half of its rows, drawn anew every epoch.'),
});

/** One path, or a list of paths or `{ path, weight }`. */
const sourcesSchema = z
  .union([z.string().min(1), z.array(z.union([z.string().min(1), sourceSchema])).min(1)])
  .transform((data) =>
    (typeof data === 'string' ? [data] : data).map((source) => (typeof source === 'string' ? { path: source, weight: 1 } : source)),
  );

export const dataSchema = sourcesSchema.describe('The rows to train on, in this order.');

/** Names of the templates that come with attune, beside `auto` and `chat`. */
export const TEMPLATE_NAMES = ['plain', 'dolly', 'alpaca'] as const;

export const templateSchema = z
  .union([
    z.enum(['auto', 'chat', ...TEMPLATE_NAMES]),
    z.strictObject({ prompt: z.string().default(''), completion: z.string().min(1) }),
    z.strictObject({ text: z.string().min(1) }),
    z.strictObject({ prompt: z.string().default(''), chosen: z.string().min(1), rejected: z.string().min(1) }),
    z.strictObject({ prompt: z.string().min(1) }),
  ])
  .default('auto')
  .describe(
    'How fields of a row become text: a name, chat (the model’s own), or your own { prompt, completion } or { prompt, chosen, rejected } with {placeholders}.',
  );

export const rolesSchema = z
  .record(z.string().min(1), z.string().min(1))
  .optional()
  .describe(
    'What roles of messages are called for the chat template, beside those that are known: name in the data → system, user, assistant, tool.',
  );

export const checksSchema = z
  .strictObject({
    nothingTrained: z.enum(['drop', 'error']).default('drop').describe('A row of which no token is trained.'),
    noStop: z.enum(['error', 'drop', 'keep']).default('error').describe('A row with answers of which none ends in a trained end token.'),
    doubleBos: z.enum(['error', 'drop', 'keep']).default('error').describe('A row that begins with two begin tokens.'),
    equalAnswers: z
      .enum(['error', 'drop'])
      .default('error')
      .describe('A pair or ranking that sets an answer above one that is equal to it.'),
    refusedChat: z
      .enum(['fail', 'drop'])
      .default('fail')
      .describe(
        'A row that the chat template refuses by an exception of its own: roles that do not alternate, say. fail stops the run, as error does.',
      ),
  })
  .prefault({})
  .describe('What happens to rows that would be trained wrongly: error stops the run, drop leaves them out and counts them.');

const evaluateKeys = z.strictObject({
  fraction: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe('Share of the rows that is held out, chosen by a hash of their content. Excludes data.'),
  data: sourcesSchema.optional().describe('Rows to evaluate on. Excludes fraction.'),
  every: z.int().min(1).default(25).describe('Steps between evaluations; one is made at the end in any case.'),
});

function checkEvaluate(evaluate: z.output<typeof evaluateKeys>, context: z.RefinementCtx): void {
  const given = [evaluate.fraction, evaluate.data].filter((value) => value !== undefined).length;
  if (given === 2)
    context.addIssue({
      code: 'custom',
      path: ['data'],
      message: 'evaluate.fraction and evaluate.data exclude each other: give one of them',
    });
  if (given === 0) context.addIssue({ code: 'custom', message: 'evaluate needs fraction (a share of the rows) or data (files)' });
}

export const evaluateSchema = evaluateKeys
  .superRefine(checkEvaluate)
  .nullable()
  .default(null)
  .describe('Evaluation on held-out rows while training. Left out or null: none.');

export type Template = z.output<typeof templateSchema>;
export type Checks = z.output<typeof checksSchema>;
export type DataSource = z.output<typeof dataSchema>[number];
