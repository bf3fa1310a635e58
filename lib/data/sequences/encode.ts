/** Examples to tokens: one tokenisation pass a row, begin and end tokens added here and nowhere else. */
import type { Example, RowTokenizer } from '../types.js';

export interface EncodeRules {
  /** `all`: every token but the first is trained. `answers`: what the segments say, and the end token behind an answer. */
  trained: 'all' | 'answers';
  /** Which documents get an end token: all, those with answers alone, or none. */
  end: 'always' | 'answers' | 'never';
}

/** Ids of a whole row, and which of them are trained. */
export interface Encoded {
  ids: Int32Array;
  trained: Uint8Array;
  /** Ids before the answer: those without a byte of it. */
  promptLength: number;
}

type Spans = Pick<Encoded, 'ids' | 'trained'>;

/** The ids and trained flags of each example, whole. */
export async function encodeExamples(examples: readonly Example[], tokenizer: RowTokenizer, rules: EncodeRules): Promise<Encoded[]> {
  const chats = examples.filter(({ frame }) => frame === 'chat').map(({ segments }) => segments);
  const documents = examples.filter(({ frame }) => frame === 'document').map(({ segments }) => segments);
  const [ofChats, ofDocuments] = await Promise.all([
    chats.length === 0 ? [] : tokenizer.encodeSpansMany(chats, { special: true }),
    documents.length === 0 ? [] : tokenizer.encodeSpansMany(documents),
  ]);
  let [chat, document] = [0, 0];
  return examples.map((example) => {
    const encoded = (example.frame === 'chat' ? ofChats[chat++] : ofDocuments[document++]) as Spans;
    return flagged(example.frame === 'chat' ? encoded : frame(encoded, tokenizer, endsIn(example, rules)), rules);
  });
}

const endsIn = ({ open, answers }: Example, { end }: EncodeRules) => open !== true && (end === 'always' || (end === 'answers' && answers));

function frame({ ids, trained }: Spans, { bos, eos }: RowTokenizer, ends: boolean): Spans {
  const head = bos === null ? 0 : 1;
  const size = head + ids.length + (ends ? 1 : 0);
  const framed = { ids: new Int32Array(size), trained: new Uint8Array(size) };
  if (bos !== null) framed.ids[0] = bos;
  framed.ids.set(ids, head);
  framed.trained.set(trained, head);
  if (ends) {
    framed.ids[size - 1] = eos;
    framed.trained[size - 1] = 1;
  }
  return framed;
}

/** Nothing comes before the first token to predict it from. */
function flagged({ ids, trained }: Spans, { trained: rule }: EncodeRules): Encoded {
  const first = trained.indexOf(1);
  const flags = rule === 'all' ? new Uint8Array(ids.length).fill(1) : trained.slice();
  if (flags.length > 0) flags[0] = 0;
  return { ids, trained: flags, promptLength: first < 0 ? ids.length : first };
}

/** Number of ones. */
export function countTrained(trained: Uint8Array): number {
  let sum = 0;
  for (const flag of trained) sum += flag;
  return sum;
}
