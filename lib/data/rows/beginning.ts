/** What two answers have in common at their beginning: the prompt of pairs that have no column for it. */
import type { ChatMessage } from '../types.js';

const ASSISTANT = '\n\nAssistant:';

/**
 * The longest common beginning of two texts in characters, less one space at its end (the answers keep it). Of two hh-rlhf transcripts it ends
 * with the last `\n\nAssistant:` that is common, and is empty where there is none.
 */
export function commonBeginning(a: string, b: string): string {
  const limit = Math.min(a.length, b.length);
  let end = 0;
  while (end < limit && a[end] === b[end]) end++;
  if (splitsCharacter(a, end) || splitsCharacter(b, end)) end--;
  const common = a.slice(0, end);
  if (isTranscript(a) && isTranscript(b)) {
    const last = common.lastIndexOf(ASSISTANT);
    return last < 0 ? '' : common.slice(0, last + ASSISTANT.length);
  }
  return common.endsWith(' ') ? common.slice(0, -1) : common;
}

/** Whether `at` lies between the two halves of a surrogate pair. */
const splitsCharacter = (text: string, at: number) => /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(at - 1, at + 1));

/** `\n\nHuman: … \n\nAssistant: …` */
export const isTranscript = (text: string) => /^\s*Human:/.test(text) && text.includes(ASSISTANT);

/** A transcript that ends with `\n\nAssistant:` as messages, or undefined where a text is none. */
export function transcriptMessages(prompt: string): ChatMessage[] | undefined {
  if (!isTranscript(prompt) || !prompt.endsWith(ASSISTANT)) return undefined;
  const turns = [...prompt.matchAll(/(?:^\s*|\n\n)(Human|Assistant):([\s\S]*?)(?=\n\n(?:Human|Assistant):|$)/g)];
  return turns.slice(0, -1).map(([, who, said = '']) => ({ role: who === 'Human' ? 'user' : 'assistant', content: withoutLead(said) }));
}

/** A turn without the space behind its colon. */
export const withoutLead = (said: string) => (said.startsWith(' ') ? said.slice(1) : said);
