/** `attune score-reward` */
import { TEMPLATE_NAMES } from '../options/parts.js';
import { ADAPTER, type Command, DTYPE, MODEL, THREADS } from './command.js';

export const scoreReward: Command = {
  name: 'score-reward',
  summary: 'Scores answers with a reward model, one score a row.',
  options: {
    model: MODEL,
    adapter: ADAPTER,
    data: { value: 'FILE', describe: 'a file or glob of rows; may be given several times', required: true, many: true },
    template: { value: 'NAME', describe: 'how fields become text', choices: ['auto', 'chat', ...TEMPLATE_NAMES] },
    dtype: { ...DTYPE, describe: 'arithmetic; default f32' },
    threads: THREADS,
  },
  examples: [
    [
      'attune score-reward --model models/tiny --adapter runs/reward/adapter --data answers.jsonl',
      'rows of prompt and completion, or of text',
    ],
    ['attune score-reward --model runs/reward/model --data answers.jsonl --json', 'a reward model of which all weights were trained'],
  ],
  async run(values, context) {
    const { scoreReward: score } = await import('../evaluation/index.js');
    const { scores } = await score({
      model: values.model as string,
      adapter: values.adapter as string | undefined,
      dtype: values.dtype as 'bf16' | 'f32' | undefined,
      threads: values.threads as number | 'auto' | undefined,
      data: values.data as string[],
      template: values.template as 'auto' | undefined,
      signal: context.signal,
      onWarning: context.warn,
      onDownload: (download) => context.progress.download(download),
      onProgress: (done) => context.progress.rows(done),
    });
    context.progress.end();
    if (context.json) context.print(JSON.stringify({ scores }));
    else for (const one of scores) context.print(one.toFixed(6));
  },
};
