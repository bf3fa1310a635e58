/** `attune generate` */
import { text as readAll } from 'node:stream/consumers';
import { RequestError } from '../errors/index.js';
import { chosenModel } from './chosen_model.js';
import { ADAPTER, type Command, type Context, DTYPE, MODEL, THREADS, type Values } from './command.js';

export const generate: Command = {
  name: 'generate',
  summary: 'Goes on from a prompt, or answers in a chat; the text is shown as it comes.',
  options: {
    model: MODEL,
    adapter: ADAPTER,
    prompt: { value: 'TEXT', describe: 'the prompt; without it standard input is read' },
    chat: { describe: 'put the prompt into the frame of the model’s chat template' },
    system: { value: 'TEXT', describe: 'the system’s message; implies --chat' },
    'max-new-tokens': { value: 'N', describe: 'most new tokens; default 256', kind: 'whole', least: 1 },
    temperature: { value: 'T', describe: '0 takes the likeliest token always; default 0.8', kind: 'number', least: 0 },
    'top-p': { value: 'P', describe: 'only the likeliest tokens that together have this probability', kind: 'number', least: 0, most: 1 },
    'top-k': { value: 'K', describe: 'only the K likeliest tokens', kind: 'whole', least: 0 },
    'min-p': { value: 'P', describe: 'only tokens with this share of the likeliest one’s probability', kind: 'number', least: 0, most: 1 },
    'repetition-penalty': { value: 'R', describe: 'above 1: less of what stands there already', kind: 'number', least: 0.01 },
    seed: { value: 'N', describe: 'the same seed draws the same text', kind: 'whole', least: 0 },
    stop: { value: 'TEXT', describe: 'ends the answer where this text comes; may be given several times', many: true },
    dtype: DTYPE,
    threads: THREADS,
  },
  examples: [
    ['attune generate --model models/tiny --prompt "Once upon a time"', 'goes on from a prompt'],
    ['attune generate --model models/chat --chat --prompt "What is a cell?" --temperature 0', 'the likeliest answer'],
    ['echo "Dear Sir," | attune generate --model models/tiny --adapter runs/x/adapter', 'the prompt from standard input'],
  ],
  async run(values, context) {
    const prompt = await promptOf(values);
    const model = await chosenModel(values, context);
    try {
      context.progress.end();
      const pieces = model.generate(prompt, settings(values, context));
      let next = await pieces.next();
      for (; !next.done; next = await pieces.next()) if (!context.json) context.write(next.value.text);
      const { text, ids, promptTokens, stopReason } = next.value;
      context.print(context.json ? JSON.stringify({ text, ids, promptTokens, stopReason }) : '');
    } finally {
      model.dispose();
    }
  },
};

async function promptOf({ prompt }: Values): Promise<string> {
  if (prompt !== undefined) return prompt as string;
  if (process.stdin.isTTY) throw new RequestError('missing_option', 'no prompt: give --prompt TEXT, or pipe a text into standard input');
  return readAll(process.stdin);
}

function settings(values: Values, { signal }: Context) {
  const number = (name: string) => values[name] as number | undefined;
  return {
    chat: values.chat === true,
    system: values.system as string | undefined,
    maxNewTokens: number('max-new-tokens'),
    temperature: number('temperature'),
    topP: number('top-p'),
    topK: number('top-k'),
    minP: number('min-p'),
    repetitionPenalty: number('repetition-penalty'),
    seed: number('seed'),
    stop: values.stop as string[] | undefined,
    signal,
  };
}
