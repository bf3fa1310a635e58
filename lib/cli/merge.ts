/** `attune merge` */
import { ADAPTER, type Command, MODEL, THREADS } from './command.js';

export const merge: Command = {
  name: 'merge',
  summary: 'Merges an adapter into its base, writes a Hugging Face folder, and compares the two.',
  options: {
    model: MODEL,
    adapter: { ...ADAPTER, required: true },
    out: { value: 'DIR', describe: 'folder to make', required: true },
    dtype: { value: 'TYPE', describe: 'number type of the tensors; default: as the base stores each', choices: ['f32', 'f16', 'bf16'] },
    threads: THREADS,
  },
  examples: [['attune merge --model models/tiny --adapter runs/x/adapter --out models/tiny-x', 'a model that other programs open']],
  async run(values, context) {
    const { merge: run } = await import('../evaluation/merge.js');
    const { out, parity } = await run({
      model: values.model as string,
      adapter: values.adapter as string,
      out: values.out as string,
      dtype: values.dtype as 'f32' | 'f16' | 'bf16' | undefined,
      threads: values.threads as number | 'auto' | undefined,
      signal: context.signal,
      onWarning: context.warn,
      onDownload: (download) => context.progress.download(download),
    });
    context.progress.end();
    const { maxLogitDifference, kl, greedyMatch, bound, good } = parity;
    const percent = `${(100 * greedyMatch).toFixed(1)} %`;
    context.print(
      context.json
        ? JSON.stringify({ out, parity: { maxLogitDifference, kl, greedyMatch, bound, good } })
        : `${out}\nagainst base and adapter: largest difference of a logit ${maxLogitDifference.toExponential(1)}, KL ${kl.toExponential(1)} nats, same likeliest token at ${percent} of positions; ${judged(parity)}`,
    );
    if (!good) context.warn({ message: judged(parity) });
  },
};

/** The difference in words: rounding to the number type of the tensors explains so much of it. */
const judged = ({ good, bound }: { good: boolean; bound: number }) =>
  good
    ? `good: rounding alone explains ${bound.toExponential(1)}`
    : `NOT good: rounding explains only ${bound.toExponential(1)}; the merged model is another one, try --dtype f32`;
