/**
 * The two libraries that turn text into ids, behind one interface: `tokenizers` (native, an optional dependency, fast) and
 * `@huggingface/tokenizers` (pure JavaScript, always there). Which of them runs, and why, stands in `name` and `reason`.
 */
import { createHash } from 'node:crypto';
import { DataError, RequestError } from '../errors/index.js';
import type { TokenizerJson } from './format.js';
import { limited } from './limited.js';
import { NativeProcess } from './native_process.js';
import { notPlain } from './plain.js';
import { forJavaScript } from './repair.js';

export type EngineName = 'native' | 'javascript';

/** Ids with the part of the text that each came from, in Unicode code points [start, end). */
export interface Located {
  ids: number[];
  offsets: [number, number][];
}

export interface Engine {
  readonly name: EngineName;
  /** Why this one runs, for reports. */
  readonly reason: string;
  /** Ids of each text, without BOS and EOS. */
  encode(texts: readonly string[]): Promise<ArrayLike<number>[]>;
  /** Ids of a text with whatever the post-processor adds around it. */
  frame(text: string): Promise<ArrayLike<number>>;
  /** Ids with their places, where the library knows them. */
  locate?(text: string): Promise<Located>;
}

interface NativeEncoding {
  getIds(): number[];
  getOffsets(): [number, number][];
}

export interface NativeTokenizer {
  encode(text: string, pair: null, options: { addSpecialTokens: boolean }): Promise<NativeEncoding>;
  encodeBatch(texts: string[], options: { addSpecialTokens: boolean }): Promise<NativeEncoding[]>;
  disableTruncation(): void;
  disablePadding(): void;
}

interface NativeLibrary {
  Tokenizer: { fromString(json: string): NativeTokenizer };
}

/**
 * Opens an engine on a tokenizer. `auto` takes the native one where it loads.
 * @param source the file's own text, where `json` is exactly what stands in it (saves writing it out again)
 * @throws RequestError `no_native_tokenizers` when the native one was asked for and does not load
 * @throws DataError `malformed_tokenizer` when the library refuses the tokenizer
 */
export async function openEngine(
  json: TokenizerJson,
  file: string,
  wanted: EngineName | 'auto' = 'auto',
  source?: string,
): Promise<Engine> {
  if (wanted === 'javascript') return javascript(json, file, 'asked for');
  const native = await loadNative();
  if ('library' in native) {
    const reason = wanted === 'native' ? 'asked for' : 'the package tokenizers is installed';
    const unsure = notPlain(json);
    if (unsure === undefined) return fromNative(native.library, source ?? JSON.stringify(json), file, reason);
    return await fromProcess(source ?? JSON.stringify(json), file, `${reason}; in a process of its own, for ${unsure}`);
  }
  if (wanted === 'native') throw new RequestError('no_native_tokenizers', `the package tokenizers does not load: ${native.fault}`);
  return javascript(json, file, `the package tokenizers does not load: ${native.fault}`);
}

async function loadNative(): Promise<{ library: NativeLibrary } | { fault: string }> {
  const name = 'tokenizers'; // a variable, so that types do not need the optional package
  try {
    return { library: (await import(name)) as NativeLibrary };
  } catch (error) {
    return { fault: firstLine(error) };
  }
}

function fromNative(library: NativeLibrary, source: string, file: string, reason: string): Engine {
  const bare = { addSpecialTokens: false };
  const tokenizer = keptTokenizer(source, () => opened(file, () => library.Tokenizer.fromString(source)));
  return {
    name: 'native',
    reason,
    async encode(texts) {
      if (texts.length === 1) return [(await used(file, tokenizer.encode(texts[0]!, null, bare))).getIds()];
      return (await used(file, tokenizer.encodeBatch([...texts], bare))).map((encoding) => encoding.getIds());
    },
    async frame(text) {
      return (await used(file, tokenizer.encode(text, null, { addSpecialTokens: true }))).getIds();
    },
    async locate(text) {
      const encoding = await used(file, tokenizer.encode(text, null, bare));
      return { ids: encoding.getIds(), offsets: encoding.getOffsets() };
    },
  };
}

async function fromProcess(source: string, file: string, reason: string): Promise<Engine> {
  const library = await NativeProcess.open(source, file);
  return {
    name: 'native',
    reason,
    async encode(texts) {
      return (await library.encode({ texts, special: false })).map(({ ids }) => ids);
    },
    async frame(text) {
      return (await library.encode({ texts: [text], special: true }))[0]!.ids;
    },
    async locate(text) {
      return (await library.encode({ texts: [text], special: false }))[0]!;
    },
  };
}

/** Tokenizers of the native library by the hash of their JSON, the newest last. */
const kept = new Map<string, NativeTokenizer>();
/** More than a run opens: those of its base, a teacher, and judges. */
const KEPT = 8;

/**
 * The native library gives back no memory that a tokenizer took for what it encoded (some 1.5 MiB for 200 short rows): a process that trains often
 * opens each tokenizer once. They hold no state that a user of one could see.
 */
export function keptTokenizer(source: string, open: () => NativeTokenizer): NativeTokenizer {
  const hash = createHash('sha256').update(source).digest('base64');
  const tokenizer = kept.get(hash) ?? open();
  if (!kept.has(hash)) {
    tokenizer.disableTruncation();
    tokenizer.disablePadding();
  }
  kept.delete(hash);
  kept.set(hash, tokenizer);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value as string);
  return tokenizer;
}

async function javascript(json: TokenizerJson, file: string, reason: string): Promise<Engine> {
  const word = json.added_tokens.find(({ single_word }) => single_word);
  if (word !== undefined) {
    const what = `the added token ${JSON.stringify(word.content)} has single_word, which the JavaScript library does not know`;
    throw new DataError('unsupported_tokenizer', `${what}; install the package tokenizers`, { file });
  }
  const { Tokenizer } = await import('@huggingface/tokenizers');
  const size = JSON.stringify(json).length;
  const tokenizer = opened(file, () => limited(() => new Tokenizer(forJavaScript(json), {}), size, file));
  const ids = (text: string, add_special_tokens: boolean) =>
    opened(file, () => limited(() => tokenizer.encode(text, { add_special_tokens }).ids, text.length, file));
  return {
    name: 'javascript',
    reason,
    async encode(texts) {
      const rows: number[][] = [];
      for (const text of texts) {
        rows.push(ids(text, false));
        await new Promise(setImmediate); // one text at a time, so that timers and signals are heard between them
      }
      return rows;
    },
    async frame(text) {
      return ids(text, true);
    },
  };
}

function opened<T>(file: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError('malformed_tokenizer', `not a tokenizer that can be read: ${firstLine(cause)}`, { file, cause });
  }
}

/** What the library encodes; its error, which names nothing, becomes one of the file. */
async function used<T>(file: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new DataError('malformed_tokenizer', `not a tokenizer that can be used: ${firstLine(cause)}`, { file, cause });
  }
}

const firstLine = (error: unknown) => (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
