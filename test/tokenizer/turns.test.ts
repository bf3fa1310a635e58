/** What of a turn is trained: all behind the header, up to the end token. Right values: transformers' rendering, cut at the generation prompt. */
import { describe, expect, it } from 'vitest';
import { type ChatMessage, type ChatOptions, renderChat } from '../../lib/tokenizer/index.js';

const ROLE = "{{ '<|im_start|>' + m.role + '\\n' }}";
const PROMPT = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
const CALLS = "{% for c in m.tool_calls or [] %}{{ '\\n<tool_call>' + (c | tojson) + '</tool_call>' }}{% endfor %}";
/** As Qwen 2.5 writes calls, thoughts and answers. */
const TOOLS = `{% for m in messages %}${ROLE}{% if m.reasoning_content %}{{ '<think>' + m.reasoning_content + '</think>' }}{% endif %}{{ m.content or '' }}${CALLS}{{ '<|im_end|>\\n' }}{% endfor %}${PROMPT}`;
const ENDS: ChatOptions = { endTokens: ['<|im_end|>'] };

function said(template: string, messages: ChatMessage[], options: ChatOptions = ENDS): string[] {
  const { text, spans } = renderChat(template, messages, options);
  return spans.map(({ start, end }) => text.slice(start, end));
}

const user: ChatMessage = { role: 'user', content: 'q' };
const call = { name: 'f', arguments: { a: 1 } };

describe('an answer', () => {
  it.each<[string, ChatMessage, string]>([
    [
      'of calls alone',
      { role: 'assistant', content: '', tool_calls: [call] },
      `\n<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>`,
    ],
    [
      'of calls without content',
      { role: 'assistant', content: null, tool_calls: [call] },
      `\n<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>`,
    ],
    [
      'of words and calls',
      { role: 'assistant', content: 'I look.', tool_calls: [call] },
      `I look.\n<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>`,
    ],
    ['of thoughts and words', { role: 'assistant', content: 'x', reasoning_content: 'why' }, '<think>why</think>x'],
    ['of tags alone', { role: 'assistant', content: '<safe>' }, '<safe>'],
    ['that holds the end token', { role: 'assistant', content: 'a <|im_end|> b' }, 'a <|im_end|> b'],
  ])('%s is trained whole, with its end token', (_, answer, expected) => {
    expect(said(TOOLS, [user, answer, user, { role: 'assistant', content: 'y' }])).toEqual([`${expected}<|im_end|>`, 'y<|im_end|>']);
  });

  it('of tags is trained beside one that the template trims', () => {
    const trimmed = TOOLS.replace("m.content or ''", "(m.content or '') | trim");
    const messages = [user, { role: 'assistant', content: '<safe>' }, user, { role: 'assistant', content: 'plain ' }];
    expect(said(trimmed, messages)).toEqual(['<safe><|im_end|>', 'plain<|im_end|>']);
  });

  it('begins behind the whole generation prompt, also where that opens a thought', () => {
    const opened = TOOLS.replace("assistant\\n' }}{% endif %}", "assistant\\n<think>' }}{% endif %}");
    const messages: ChatMessage[] = [user, { role: 'assistant', content: 'x', reasoning_content: 'why' }];
    expect(said(opened, messages)).toEqual(['why</think>x<|im_end|>']);
    expect(said(opened, [user, { role: 'assistant', content: '<table>' }])).toEqual(['<table><|im_end|>']);
  });

  it('does not hold the empty thought that a prompt without thinking has', () => {
    const last = TOOLS.replace(
      '{% if m.reasoning_content %}',
      "{% if loop.last and m.role == 'assistant' and not m.reasoning_content %}{{ '<think></think>' }}{% elif m.reasoning_content %}",
    );
    const off = last.replace(
      "assistant\\n' }}{% endif %}",
      "assistant\\n' }}{% if enable_thinking is defined and enable_thinking is false %}{{ '<think></think>' }}{% endif %}{% endif %}",
    );
    expect(said(off, [user, { role: 'assistant', content: 'x' }])).toEqual(['x<|im_end|>']);
    expect(said(off, [user, { role: 'assistant', content: 'x', reasoning_content: 'y' }])).toEqual(['<think>y</think>x<|im_end|>']);
  });

  it('is trained where a template leaves earlier thoughts out', () => {
    const history = TOOLS.replace('{% if m.reasoning_content %}', '{% if m.reasoning_content and loop.index0 > messages | length - 3 %}');
    const thought = (content: string): ChatMessage => ({ role: 'assistant', content, reasoning_content: 'why' });
    expect(said(history, [user, thought('a'), user, thought('b'), user, thought('c')])).toEqual([
      'a<|im_end|>',
      'b<|im_end|>',
      '<think>why</think>c<|im_end|>',
    ]);
  });
});

describe('the end token', () => {
  const messages = [user, { role: 'assistant', content: 'a' }, user, { role: 'assistant', content: 'b' }];

  it.each<[string, ChatOptions]>([
    ['the eos_token', { specialTokens: { eos_token: '<|im_end|>' } }],
    ['one at which generation stops', { specialTokens: { eos_token: '</s>' }, endTokens: ['</s>', '<|im_end|>'] }],
    [
      'the special token that closes every turn',
      { specialTokens: { eos_token: '</s>' }, addedTokens: ['</s>', '<|im_start|>', '<|im_end|>'] },
    ],
  ])('is %s', (_, options) => {
    expect(said(TOOLS, messages, options)).toEqual(['a<|im_end|>', 'b<|im_end|>']);
  });

  it('is no text that merely stands there, and no special token of the message itself', () => {
    expect(said(TOOLS, messages, {})).toEqual(['a', 'b']);
    const bare = TOOLS.replace("'<|im_end|>\\n'", "'\\n'");
    expect(said(bare, [user, { role: 'assistant', content: 'a<|x|>' }], { addedTokens: ['<|x|>'] })).toEqual(['a<|x|>']);
  });

  it('is found behind white space, and behind the loop', () => {
    const spaced =
      "{% for m in messages %}{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]{% else %} {{ m.content }} {% endif %}{% endfor %}{{ eos_token }}";
    const options = { specialTokens: { eos_token: '</s>' } };
    expect(said(spaced, messages.slice(0, 2), options)).toEqual([' a </s>']);
  });
});

describe('where contents alone can be found', () => {
  // No loop over the messages: turns cannot be told apart.
  const flat = 'Q: {{ messages[0].content }} A: {{ messages[1].content }}{{ messages[1].reasoning_content }}';

  it('trains them, and refuses what else an answer would bring untrained', () => {
    expect(said(flat, [user, { role: 'assistant', content: 'yes' }], {})).toEqual(['yes']);
    const thought = { role: 'assistant', content: 'yes', reasoning_content: 'why' };
    expect(() => said(flat, [user, thought], {})).toThrow(
      'writes reasoning_content of message 2 where its place in the text cannot be told',
    );
  });

  it('refuses a key that the template cannot do without', () => {
    const needs = "{{ messages[1].thinking or raise_exception('no thinking') }}";
    const answer = { role: 'assistant', content: 'yes', thinking: 'why' };
    expect(() => said(`${flat}${needs}`, [user, answer], {})).toThrow('writes thinking of message 2');
    const exact = "{% if messages[1].thinking != 'why' %}{{ raise_exception('not why') }}{% endif %}";
    expect(() => said(`${flat}${exact}`, [user, answer], {})).toThrow('writes thinking of message 2');
  });

  it('takes a name, which stands in a header', () => {
    const named = 'Q: {{ messages[0].content }} {{ messages[1].name }}: {{ messages[1].content }}';
    expect(said(named, [user, { role: 'assistant', content: 'yes', name: 'Ada' }], {})).toEqual(['yes']);
  });

  it('passes over keys that the template does not print', () => {
    expect(said(flat, [user, { role: 'assistant', content: 'yes', weight: 1, name: 'x' }], {})).toEqual(['yes']);
  });
});
