/** `attune evaluate` */
import { TEMPLATE_NAMES } from '../options/parts.js';
import { chosenModel } from './chosen_model.js';
import { ADAPTER, type Command, DTYPE, MODEL, THREADS } from './command.js';

export const evaluate: Command = {
  name: 'evaluate',
  summary: 'Measures how well a model predicts texts: mean nats a token, and perplexity.',
  options: {
    model: MODEL,
    adapter: ADAPTER,
    data: { value: 'FILE', describe: 'a file or glob of rows; may be given several times', required: true, many: true },
    'max-length': { value: 'N', describe: 'cut rows after N tokens; default: the model’s context', kind: 'whole', least: 2 },
    template: { value: 'NAME', describe: 'how fields become text', choices: ['auto', 'chat', ...TEMPLATE_NAMES] },
    'trained-only': { describe: 'count only the tokens of answers, as they are trained' },
    dtype: DTYPE,
    threads: THREADS,
  },
  examples: [
    ['attune evaluate --model models/tiny --data papers.jsonl', 'every token of every text'],
    ['attune evaluate --model models/bert --data papers.jsonl', 'an encoder: 15 % of the tokens, hidden from a fixed seed'],
    ['attune evaluate --model models/tiny --adapter runs/x/adapter --data qa.jsonl --trained-only', 'answers only, with an adapter'],
  ],
  async run(values, context) {
    const model = await chosenModel(values, context);
    try {
      const result = await model.evaluate({
        data: values.data as string[],
        maxLength: values['max-length'] as number | undefined,
        template: values.template as 'auto' | undefined,
        trainedOnly: values['trained-only'] === true,
        signal: context.signal,
        onWarning: context.warn,
        onProgress: (done) => context.progress.rows(done),
      });
      context.progress.end();
      const { nll, perplexity, tokens, rows, maskShare } = result;
      const which = maskShare === undefined ? 'tokens' : `hidden tokens (${100 * maskShare} %, from a fixed seed)`;
      context.print(
        context.json
          ? JSON.stringify({ nll, perplexity, tokens, rows, maskShare })
          : `${nll.toFixed(6)} nats a token, perplexity ${perplexity.toPrecision(6)}, over ${tokens} ${which} of ${rows} rows`,
      );
    } finally {
      model.dispose();
    }
  },
};
