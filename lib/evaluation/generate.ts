/** Text after a prompt, token by token. */
import { randomInt } from 'node:crypto';
import { checkIds } from '../checkpoint/vocabulary.js';
import { Random } from '../data/index.js';
import { RequestError } from '../errors/index.js';
import type { NativeGeneration } from '../native.js';
import type { LoadedModel } from './loaded.js';
import { type Prompt, promptIds } from './prompt.js';
import { StopText } from './stop_text.js';

export interface GenerateOptions extends Prompt {
  /** Most new tokens; default 256. The model's context is a limit too. */
  maxNewTokens?: number | undefined;
  /** 0 takes the likeliest token always; default 0.8. */
  temperature?: number | undefined;
  /** Only the likeliest tokens that together have this probability; default 1 (all). */
  topP?: number | undefined;
  /** Only so many likeliest tokens; default 0 (all). */
  topK?: number | undefined;
  /** Only tokens with at least this share of the likeliest one's probability; default 0 (all). */
  minP?: number | undefined;
  /** Above 1: tokens that stand in the text already get less likely; default 1. */
  repetitionPenalty?: number | undefined;
  /** The same seed draws the same tokens; default: another one every time. */
  seed?: number | undefined;
  /** Texts that end the answer; they are left out of it. */
  stop?: readonly string[] | undefined;
  signal?: AbortSignal | undefined;
}

/** What came since the last piece. */
export interface GeneratedPiece {
  /** Maybe empty: half a character, or what may be the beginning of a stop text, is held back. */
  text: string;
  id: number;
}

export interface Generated {
  /** Without end token and stop text; a leading space is kept, so that prompt + text reads on. */
  text: string;
  /** Every new token, the end token included. */
  ids: number[];
  /** Tokens before the first new one, begin token and the frame of a chat included. */
  promptTokens: number;
  stopReason: 'eos' | 'length' | 'stop';
}

export type Generation = AsyncGenerator<GeneratedPiece, Generated, void>;

const DEFAULT_TOKENS = 256;
const DEFAULT_TEMPERATURE = 0.8;

/**
 * Yields pieces as they come and returns the whole.
 * @throws RequestError `beyond_context`, `bad_prompt`, `wrong_network`; DataError `beyond_vocabulary`
 */
export async function* generateText(model: LoadedModel, text: string, options: GenerateOptions = {}): Generation {
  if (!model.base.config.causal)
    throw new RequestError('wrong_network', `${model.base.folder} is an encoder: it fills in hidden words and writes no text`);
  const prompt = await promptIds(model, text, options);
  checkIds([{ ids: prompt }], model.base, model.tokenizer);
  const room = roomFor(prompt.length, model.context, options.maxNewTokens ?? DEFAULT_TOKENS);
  const native = model.native.startGeneration(prompt.length + room);
  try {
    return yield* answer(model, native, prompt, room, options);
  } finally {
    native.dispose();
  }
}

/** New tokens that fit behind a prompt. The last one is never fed back, so a full context still has room for one. */
function roomFor(promptTokens: number, context: number, most: number): number {
  if (promptTokens > context)
    throw new RequestError('beyond_context', `the prompt has ${promptTokens} tokens, more than the model's context of ${context}`);
  return Math.max(1, Math.min(most, context - promptTokens + 1));
}

async function* answer(
  model: LoadedModel,
  native: NativeGeneration,
  prompt: Int32Array,
  room: number,
  options: GenerateOptions,
): Generation {
  const { tokenizer } = model;
  const draw = sampler(native, options);
  const decoder = tokenizer.stream({ continues: prompt.length > 0 });
  const stop = new StopText(options.stop ?? []);
  const result: Generated = { text: '', ids: [], promptTokens: prompt.length, stopReason: 'length' };
  await native.feed(prompt);
  for (;;) {
    const id = draw();
    result.ids.push(id);
    if (tokenizer.ends.includes(id)) result.stopReason = 'eos';
    const piece = result.stopReason === 'eos' ? '' : stop.push(decoder.push(id));
    if (stop.found) result.stopReason = 'stop';
    result.text += piece;
    yield { text: piece, id };
    if (result.stopReason !== 'length' || result.ids.length >= room) break;
    options.signal?.throwIfAborted();
    await native.feed(Int32Array.of(id));
  }
  const rest = stop.found ? '' : stop.push(decoder.end()) + stop.end();
  if (stop.found) result.stopReason = 'stop';
  if (rest !== '') yield { text: rest, id: result.ids.at(-1) as number };
  return { ...result, text: result.text + rest };
}

/** Draws tokens. Every draw takes one number from the seed's stream, whatever the settings. */
function sampler(native: NativeGeneration, options: GenerateOptions): () => number {
  const { temperature = DEFAULT_TEMPERATURE, topK, topP, minP, repetitionPenalty, seed = randomInt(2 ** 47) } = options;
  const random = new Random(seed);
  const settings = { temperature, topK, topP, minP, repetitionPenalty };
  return () => native.sample({ ...settings, unit: (random.next() + random.next() / 2 ** 32) / 2 ** 32 }).id;
}
