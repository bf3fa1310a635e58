/**
 * `{% generation %}` … `{% endgeneration %}`: the part of a template that transformers takes for what the assistant says. The library's
 * lexer deletes these tags; here they print a mark before they go.
 */
import type { ChatMessage, ChatSpan } from './chat_spans.js';
import { markSource, withoutMarks } from './marks.js';

const TAG = /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g;

/** Whether a template has the tags, comments aside. */
export function marksGeneration(template: string): boolean {
  return template.replace(/\{#[\s\S]*?#\}/g, '').search(TAG) >= 0;
}

/** The same template without the tags: what they do to white space around them stays. */
export const withoutTags = (template: string) => replaced(template, () => '');

/** With other text for the tags. The signs of white space control stay on the outer sides, so that the text around is cut as before. */
function replaced(template: string, printed: (ends: boolean) => string): string {
  return template.replace(TAG, (_, before, end, after) => `{%${before} if true %}${printed(end !== undefined)}{% endif ${after}%}`);
}

/** Text of a conversation with the places that the template marks. */
export function generationSpans(
  template: string,
  render: (source: string) => string,
  messages: readonly ChatMessage[],
  used: string,
): { text: string; spans: ChatSpan[] } {
  const mark = markSource(used);
  const [opens, closes] = [mark(), mark()];
  const source = template.replace(
    TAG,
    (_, before, end, after) => `{%${before} if true %}{{ "${end ? closes : opens}" }}{% endif ${after}%}`,
  );
  const { text, found } = withoutMarks(render(source), new Set([opens, closes]));
  const spans: Omit<ChatSpan, 'messageIndex'>[] = [];
  let start = 0;
  for (const one of found) {
    if (one.mark === opens) start = one.at;
    else spans.push({ start, end: one.at });
  }
  const answers = messages.flatMap(({ role }, i) => (role === 'assistant' ? [i] : []));
  const offset = Math.max(answers.length - spans.length, 0); // a template that leaves out answers leaves out early ones
  return { text, spans: spans.map((span, i) => ({ ...span, messageIndex: answers[i + offset] ?? answers.at(-1) ?? -1 })) };
}
