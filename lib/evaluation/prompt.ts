/** What a model is asked: a text to go on from, or a chat in the frame of the model's own template. */
import type { ChatMessage } from '../data/index.js';
import { RequestError } from '../errors/index.js';
import type { Tokenizer } from '../tokenizer/index.js';
import { openChat } from '../tokenizer/index.js';

export interface Prompt {
  /** The prompt is a user's message and gets the frame of the model's chat template. */
  chat?: boolean | undefined;
  /** The system's message; implies `chat`. */
  system?: string | undefined;
  /** Messages before the prompt; implies `chat`. */
  history?: readonly ChatMessage[] | undefined;
}

/**
 * Ids of a prompt: the begin token where the tokenizer adds one, then the text; of a chat the template's rendering with generation prompt,
 * to which nothing is added.
 * @throws RequestError `bad_prompt`
 */
export async function promptIds({ tokenizer }: { tokenizer: Tokenizer }, text: string, prompt: Prompt): Promise<Int32Array> {
  if (prompt.chat || prompt.system !== undefined || prompt.history !== undefined) return chatIds(tokenizer, text, prompt);
  const ids = await tokenizer.encode(text);
  if (tokenizer.bos === null && ids.length === 0)
    throw new RequestError('bad_prompt', 'the prompt is empty, and this model has no begin token to start from; give a prompt');
  return tokenizer.bos === null ? ids : Int32Array.of(tokenizer.bos, ...ids);
}

async function chatIds(tokenizer: Tokenizer, text: string, { system, history = [] }: Prompt): Promise<Int32Array> {
  const chat = openChat(tokenizer);
  if (chat === undefined) throw new RequestError('bad_prompt', 'this model has no chat template; leave --chat and --system out');
  const first: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  const rendered = chat.prompt([...first, ...history, { role: 'user', content: text }]);
  return tokenizer.encode(rendered, { special: true });
}
