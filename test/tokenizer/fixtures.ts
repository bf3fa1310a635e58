/** Small tokenizers made here, so that these tests need no file from elsewhere. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { openTokenizer, type Tokenizer, trainTokenizer } from '../../lib/tokenizer/index.js';

export const ENGINES = ['native', 'javascript'] as const;
export type EngineName = (typeof ENGINES)[number];

const TEXT = `The cell divides again. The cells divide, and the cell's wall thickens; "a cell", said the student, "is a small room".
Numbers: 1, 22, 333, 4444. Naïve café, 世界 and 😀 stand here too.\n\n    indented\tby tabs and    runs of spaces\r\n`.repeat(3);

const folders: string[] = [];

/** A folder with these files; objects are written as JSON. */
export function folderOf(files: Record<string, string | Uint8Array | object>): string {
  const folder = mkdtempSync(join(tmpdir(), 'attune-tokenizer-'));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) {
    const plain = typeof content === 'string' || content instanceof Uint8Array;
    writeFileSync(join(folder, name), plain ? content : JSON.stringify(content));
  }
  return folder;
}

/** Removes every folder that was made. */
export function removeFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

export const CONFIG = { eos_token: '<|end|>' };
export const SPECIAL = ['<|end|>', '<|user|>', '<|assistant|>'];

const trained = trainTokenizer([TEXT], { vocabularySize: 400, specialTokens: SPECIAL });

/** A byte-level BPE tokenizer as the object of its file, with some of its parts replaced. */
export async function byteLevel(changes: object = {}): Promise<object> {
  return { ...(await trained), ...changes };
}

export async function openByteLevel(engine: EngineName, changes: object = {}, config: object = CONFIG): Promise<Tokenizer> {
  return openTokenizer(folderOf({ 'tokenizer.json': await byteLevel(changes), 'tokenizer_config.json': config }), { engine });
}

export interface TestPiece {
  text: string;
  score?: number;
  /** 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte. */
  type?: number;
}

const BYTES = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);

/** Pieces of a small SentencePiece model: what every one has, these merges (best first), and their letters. */
export function piecesOf(merges: string[], more: TestPiece[] = []): TestPiece[] {
  const letters = [...new Set(merges.join(''))];
  return [
    { text: '<unk>', type: 2 },
    { text: '<s>', type: 3 },
    { text: '</s>', type: 3 },
    ...BYTES.map((text) => ({ text, type: 6 })),
    ...more,
    ...merges.map((text, i) => ({ text, score: -i })),
    ...letters.filter((letter) => !merges.includes(letter)).map((text, i) => ({ text, score: -merges.length - i })),
  ];
}

const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
const field = (number: number, bytes: Iterable<number>): number[] => {
  const list = [...bytes];
  return [...varint((number << 3) | 2), ...varint(list.length), ...list];
};
const flag = (number: number, value: number): number[] => [...varint(number << 3), ...varint(value)];

/** A `tokenizer.model`: pieces, model type (1 unigram, 2 BPE), byte fallback, and whether a space is put before a text. */
export function sentencePiece(pieces: TestPiece[], { type = 2, prefix = true, name = 'identity', removes = false } = {}): Uint8Array {
  const float = (value: number) => new Uint8Array(new Float32Array([value]).buffer);
  const all = pieces.flatMap(({ text, score = 0, type: kind = 1 }) =>
    field(1, [...field(1, Buffer.from(text)), (2 << 3) | 5, ...float(score), ...flag(3, kind)]),
  );
  const trainer = [...flag(3, type), ...flag(35, 1)];
  const normaliser = [...field(1, Buffer.from(name)), ...flag(3, Number(prefix)), ...flag(4, Number(removes)), ...flag(5, 1)];
  return Uint8Array.from([...all, ...field(2, trainer), ...field(3, normaliser)]);
}

/** What goes wrong when a folder with these files is opened. */
export async function fault(files: Parameters<typeof folderOf>[0], engine: 'native' | 'javascript' = 'native') {
  const opened = openTokenizer(folderOf(files), { engine });
  const error = (await opened.then(
    () => undefined,
    (thrown) => thrown,
  )) as { code: string; kind: string; message: string; file: string };
  return { code: error.code, kind: error.kind, message: error.message, file: basename(error.file) };
}
