/** Tokenizers: text to ids with trained spans, ids to text, chat templates, training of new ones. */
export {
  type Chat,
  type ChatMessage,
  type ChatOptions,
  type ChatSegment,
  type ChatSpan,
  chatSegments,
  openChat,
  type RenderedChat,
  renderChat,
  renderPrompt,
} from './chat.js';
export type { DecodeOptions, StreamDecoder } from './decode.js';
export { type OpenOptions, openTokenizer } from './open.js';
export type { Segment } from './spans.js';
export type { EncodeOptions, SpanOptions, Tokenizer, Tokens } from './tokenizer.js';
export { type TokenizerSettings, type TrainTokenizerOptions, trainTokenizer, writeTokenizer } from './train.js';
