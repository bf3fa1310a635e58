import { describe, expect, it } from 'vitest';
import { type ChatMessage, type ChatOptions, chatSegments, openChat, renderChat, renderPrompt } from '../../lib/tokenizer/index.js';

const say = (...turns: [string, string][]): ChatMessage[] => turns.map(([role, content]) => ({ role, content }));
const CHATML = `{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;
const TRIMMED = CHATML.replace('message.content', '(message.content | trim)');
const LSTRIPPED = CHATML.replace('message.content', "message.content.lstrip('\\n')");
/** As Qwen 3 and DeepSeek R1 have it: what was thought in earlier turns is left out. */
const THINKING = `{% for m in messages %}{% set content = m.content %}{% if '</think>' in content %}{% set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}{% set content = content.split('</think>')[-1].lstrip('\\n') %}{% endif %}[{{ m.role }}]
{% if loop.last and thought %}{{ '<think>\\n' + thought + '\\n</think>\\n\\n' }}{% endif %}{{ content }}</s>{% endfor %}`;

/** What is trained of a conversation under a template. */
function answers(template: string, messages: ChatMessage[], options?: ChatOptions): string[] {
  const { text, spans } = renderChat(template, messages, options);
  return spans.map(({ start, end }) => text.slice(start, end));
}

describe('answers in a rendered chat', () => {
  it('are the contents of the assistant, byte for byte', () => {
    const messages = say(['system', 'Be brief.'], ['user', 'Two?'], ['assistant', 'Two.'], ['user', 'Two.'], ['assistant', 'assistant\n']);
    const { text, spans, from } = renderChat(CHATML, messages);
    expect(from).toBe('turns');
    expect(spans.map(({ start, end, messageIndex }) => [text.slice(start, end), messageIndex])).toEqual([
      ['Two.', 2],
      ['assistant\n', 4],
    ]);
  });

  it.each([
    ['trims', TRIMMED, ' \n a b \t', 'a b'],
    ['trims and puts the same white space there itself', TRIMMED, '\na\n', 'a'],
    ['trims some characters only', LSTRIPPED, '\n\n  a \n', '  a \n'],
    ['trims nothing', CHATML, ' \n a b \t', ' \n a b \t'],
    ['trims nothing of mere white space', CHATML, ' \n', ' \n'],
  ])('are whole where the template %s', (_, template, content, expected) => {
    expect(answers(template, say(['user', ' u '], ['assistant', content], ['assistant', 'x']))).toEqual([expected, 'x']);
  });

  it('are none where nothing is said', () => {
    expect(answers(TRIMMED, say(['user', 'u'], ['assistant', ' \n']))).toEqual([]);
    expect(answers(CHATML, say(['user', 'u'], ['assistant', '']))).toEqual([]);
    expect(answers(CHATML, say(['user', 'u']))).toEqual([]);
    expect(answers('{{ messages[0].content }}', say(['user', 'u'], ['assistant', 'left out']))).toEqual([]);
  });

  it('keep their thoughts where the template keeps them', () => {
    const thought = (n: string) => `<think>\n${n}\n</think>\n\nanswer ${n}`;
    expect(answers(THINKING, say(['user', 'q'], ['assistant', thought('1')], ['user', 'r'], ['assistant', thought('2')]))).toEqual([
      'answer 1',
      thought('2'),
    ]);
  });

  it('are found among private characters of the text itself', () => {
    expect(answers(CHATML, say(['user', '\ue000\ue001'], ['assistant', '\ue000a\ue002']))).toEqual(['\ue000a\ue002']);
  });

  it('are found in lists of parts', () => {
    const template =
      "{% for m in messages %}[{{ m.role }}]{% for part in m.content %}{% if part.type == 'text' %}{{ part.text | trim }}{% endif %}|{% endfor %}{% endfor %}";
    const content = [{ type: 'text', text: ' one ' }, { type: 'image' }, { type: 'text', text: 'two' }];
    expect(
      answers(template, [
        { role: 'user', content: [{ type: 'text', text: 'u' }] },
        { role: 'assistant', content },
      ]),
    ).toEqual(['one||two']);
  });

  it('are an error where the template changes them beyond telling, and goes through no loop', () => {
    const template = '{{ messages[0].content | length }}:{{ messages[0].content }}';
    expect(() => renderChat(template, say(['assistant', 'abc']))).toThrowError(
      expect.objectContaining({ code: 'untraceable_chat', kind: 'data' }),
    );
  });

  it('are found in long chats', () => {
    const messages = Array.from({ length: 1500 }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: `  ${i} ` }));
    expect(answers(TRIMMED, messages)).toEqual(messages.flatMap(({ role, content }) => (role === 'assistant' ? [content.trim()] : [])));
  });
});

describe('{% generation %}', () => {
  const template = `{#- {% generation %} in a comment is none -#}
{% for m in messages %}
{%- if m.role == 'assistant' %}
  {{- '<a>' }}
  {%- generation %}
    {{- m.content + '</s>' }}
  {%- endgeneration %}
{%- else %}
  {{- '<u>' + m.content }}
{%- endif %}
{% endfor %}`;

  it('says itself what is trained', () => {
    const { text, spans, from } = renderChat(template, say(['user', 'q'], ['assistant', 'a'], ['user', 'r'], ['assistant', 'b']));
    expect(text).toBe('<u>q<a>a</s><u>r<a>b</s>');
    expect(spans.map(({ start, end, messageIndex }) => [text.slice(start, end), messageIndex])).toEqual([
      ['a</s>', 1],
      ['b</s>', 3],
    ]);
    expect(from).toBe('generation');
  });

  it('in a comment is none', () => {
    expect(renderChat(`{# {% generation %} #}${CHATML}`, say(['assistant', 'a'])).from).toBe('turns');
  });

  it('leaves no trace in a prompt', () => {
    expect(renderPrompt(template, say(['user', 'q'], ['assistant', 'a']))).toBe('<u>q<a>a</s>');
  });
});

describe('segments of a chat', () => {
  const messages = say(['user', 'q'], ['assistant', 'a'], ['user', 'r'], ['assistant', 'b']);

  it('join to the text, answers trained, with what they came from', () => {
    const rendered = renderChat(CHATML, messages);
    const segments = chatSegments(rendered);
    expect(segments.map(({ text }) => text).join('')).toBe(rendered.text);
    expect(segments.filter(({ trained }) => trained)).toEqual([
      { text: 'a', trained: true, field: 'messages[1].content' },
      { text: 'b', trained: true, field: 'messages[3].content' },
    ]);
  });

  it('may have the last answer trained alone', () => {
    const segments = chatSegments(renderChat(CHATML, messages), (index) => index === 3);
    expect(segments.filter(({ trained }) => trained).map(({ text }) => text)).toEqual(['b']);
  });

  it('reach from the header to the end token, white space included', () => {
    const llama2 =
      "{% for m in messages %}{{ (bos_token + '[INST] ' + m.content + ' [/INST]') if m.role == 'user' else (' ' + m.content + ' ' + eos_token) }}{% endfor %}";
    const segments = chatSegments(renderChat(llama2, messages, { specialTokens: { bos_token: '<s>', eos_token: '</s>' } }));
    expect(segments.filter(({ trained }) => trained).map(({ text }) => text)).toEqual([' a </s>', ' b </s>']);
  });
});

describe('the chat of a tokenizer', () => {
  const tokenizer = (templates: { plain: string | null; tools?: string }) => ({
    chatTemplate: (withTools = false) => (withTools ? (templates.tools ?? templates.plain) : templates.plain),
    specialTokens: { bos_token: '<s>', eos_token: '</s>' },
  });

  it('is none without a template', () => {
    expect(openChat(tokenizer({ plain: null }))).toBeUndefined();
  });

  it('renders rows and prompts, with the tools given', () => {
    const chat = openChat(tokenizer({ plain: `{{ bos_token }}${CHATML}`, tools: '{{ tools | tojson }}' }))!;
    const messages = say(['user', 'q'], ['assistant', 'a']);
    expect(chat.render(messages).map(({ text, trained }) => [text, trained])).toEqual([
      ['<s><|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n', false],
      ['a', true],
      ['<|im_end|>\n', false],
    ]);
    expect(chat.prompt(messages.slice(0, 1))).toBe('<s><|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n');
    expect(chat.prompt(messages, { tools: [{ name: 'f' }] })).toBe('[{"name": "f"}]');
  });
});
