import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ChatMessage, renderChat } from '../../lib/tokenizer/index.js';
import { missing, recordings, rows } from './recorded.js';

interface ChatCase {
  id: string;
  messages: ChatMessage[];
  tools?: unknown[];
  add_generation_prompt: boolean;
}

/** What transformers 5.18 made of a case; spans count code points. */
interface RecordedChat {
  template: string;
  case: string;
  text?: string;
  error?: string;
  assistant_spans?: [number, number][];
}

/** Cases that the library gets wrong and nothing here repairs: `template case`, with the reason. None is left. */
const KNOWN_FAULTS: Record<string, string> = {};

/** Special tokens that close turns in these templates. */
const CLOSERS = ['<|eot_id|>', '<|im_end|>', '<end_of_turn>', '<|end|>', '<｜end▁of▁sentence｜>'];

const expected = missing ? [] : rows<RecordedChat>('chat_expected_dev.jsonl.gz');
const cases = new Map(missing ? [] : rows<ChatCase>('chat_cases_dev.jsonl').map((one) => [one.id, one]));
const templates = [...new Set(expected.map(({ template }) => template))];
const points = (text: string, at: number) => [...text.slice(0, at)].length;

function rendered({ template, case: id }: RecordedChat) {
  const { messages, tools, add_generation_prompt } = cases.get(id)!;
  const source = readFileSync(join(recordings, 'chat_templates', `${template}.jinja`), 'utf8');
  const context = JSON.parse(readFileSync(join(recordings, 'chat_templates/context.json'), 'utf8')) as {
    variables: Record<string, string>;
  };
  const { variables } = context;
  const options = { addGenerationPrompt: add_generation_prompt, variables, endTokens: [variables.eos_token!], addedTokens: CLOSERS };
  return renderChat(source, messages, { tools: tools ?? null, ...options });
}

describe.skipIf(missing !== undefined)('recorded chats', () => {
  it.each(templates)('%s', (template) => {
    let [equal, refused, marked] = [0, 0, 0];
    for (const one of expected.filter((each) => each.template === template && !KNOWN_FAULTS[`${template} ${each.case}`])) {
      if (one.error !== undefined) {
        expect(() => rendered(one), one.case).toThrowError(
          expect.objectContaining({ code: expect.stringMatching(/refused_chat|bad_template/) }),
        );
        refused++;
        continue;
      }
      const { text, spans, from } = rendered(one);
      expect(text, one.case).toBe(one.text);
      equal++;
      if (one.assistant_spans?.length) {
        expect(from).toBe('generation');
        expect(
          spans.map(({ start, end }) => [points(text, start), points(text, end)]),
          one.case,
        ).toEqual(one.assistant_spans);
        marked++;
      } else expectContents(cases.get(one.case)!, text, spans);
    }
    console.log(`${template}: ${equal} texts equal, ${refused} refused as recorded, ${marked} with the recorded spans`);
    expect(equal + refused).toBeGreaterThan(0);
  });

  it('has 18 templates', () => {
    expect(templates).toHaveLength(18);
  });
});

/** Without `{% generation %}`: each span is what a message says with its end token, white space and left-out thoughts aside. */
function expectContents({ messages }: ChatCase, text: string, spans: { start: number; end: number; messageIndex: number }[]): void {
  for (const [index, { role, content, tool_calls }] of messages.entries()) {
    if (role !== 'assistant' || typeof content !== 'string' || content.trim() === '' || tool_calls) continue;
    const said = spans.filter(({ messageIndex }) => messageIndex === index).map(({ start, end }) => text.slice(start, end));
    expect(said.length, `${content} in ${text}`).toBe(1);
    const end = [...CLOSERS, '</s>'].find((token) => said[0]!.endsWith(token));
    expect(end, `no end token behind ${said[0]}`).toBeDefined();
    const words = said[0]!.slice(0, -end!.length).trim();
    expect([content.trim(), content.split('</think>').at(-1)!.trim()]).toContain(words);
  }
}
