/** Templates: how the fields of a row become one text, with the origin of every stretch. */
import { DataError, RequestError } from '../../errors/index.js';
import type { Template } from '../../options/index.js';
import { ANSWER_KEYS } from '../rows/chats.js';
import { fittingContents } from '../rows/content.js';
import type { Shape } from '../rows/mapping.js';
import type { Field, ShapedRow } from '../rows/rows.js';
import { type ChatMessage, type ChatRenderer, type Example, type Origin, type Segment, UNTRAINED } from '../types.js';

/** A template that is written out in the recipe. */
export type OwnTemplate = Exclude<Template, string>;

/** A part of a template: text as it stands, or a placeholder. */
export type Part = { text: string } | { placeholder: string };

/** `"Q: {instruction}\n"` → its parts. `{{name}}` stands for `{name}` itself; other braces mean nothing. */
export function parseTemplate(template: string): Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (const found of template.matchAll(/\{\{(\w+)\}\}|\{(\w+)\}/g)) {
    const [whole, literal, placeholder] = found;
    parts.push({ text: template.slice(at, found.index) }, placeholder === undefined ? { text: `{${literal}}` } : { placeholder });
    at = found.index + whole.length;
  }
  return [...parts, { text: template.slice(at) }].filter((part) => !('text' in part) || part.text !== '');
}

/** The template with the fields in their places. */
export function filled(template: string, fields: Record<string, Field>, trained: boolean): Segment[] {
  return parseTemplate(template).map((part) => {
    if ('text' in part) return { text: part.text, trained, field: 'template' };
    const { text, field } = fields[part.placeholder] ?? { text: '', field: part.placeholder };
    return { text, trained, field };
  });
}

const TASK = 'Below is an instruction that describes a task';
const ANSWER = 'Write a response that appropriately completes the request.';

/** Prompts of the named templates, with and without a context. The completion is the response as it stands. */
const NAMED: Record<'plain' | 'dolly' | 'alpaca', { context: string; bare: string }> = {
  plain: { context: '{instruction}\n\n{context}\n\n', bare: '{instruction}\n\n' },
  // Headings alone: dolly's fields by their names. (Databricks' own prompt opens with alpaca's sentence; that is `alpaca`.)
  dolly: {
    context: '### Instruction:\n{instruction}\n\n### Context:\n{context}\n\n### Response:\n',
    bare: '### Instruction:\n{instruction}\n\n### Response:\n',
  },
  alpaca: {
    context: `${TASK}, paired with an input that provides further context. ${ANSWER}\n\n### Instruction:\n{instruction}\n\n### Input:\n{context}\n\n### Response:\n`,
    bare: `${TASK}. ${ANSWER}\n\n### Instruction:\n{instruction}\n\n### Response:\n`,
  },
};

/** The template that rows of a shape get: `auto` settled, `text` where a row is one text whatever the template says. */
export function settledTemplate(template: Template, shape: Shape, hasChat: boolean): Template | 'text' {
  if (typeof template !== 'string') return template;
  if (shape === 'text') return 'text';
  if (shape === 'messages' || shape === 'conversations') {
    if (template === 'auto' || template === 'chat') return 'chat';
    throw new RequestError('template_mismatch', `template: ${template} has no place for rows of ${shape}; use template: chat`);
  }
  if (shape === 'common') return settledCommon(template);
  if (template !== 'auto') return template;
  if (shape === 'prompt') return 'plain';
  return hasChat ? 'chat' : 'dolly';
}

/** A common beginning may stop in the middle of a sentence: only transcripts can become chats, and nothing an instruction. */
function settledCommon(template: string): 'plain' | 'chat' {
  if (template === 'auto' || template === 'plain') return 'plain';
  if (template === 'chat') return 'chat';
  const message = `template: ${template} has no place for chosen and rejected without a prompt; give the rows a column prompt`;
  throw new RequestError('template_mismatch', message);
}

/** The row as an example, by a settled template. */
export function makeExample(row: ShapedRow, template: Template | 'text', chat?: ChatRenderer): Example {
  const { file, line, fields } = row;
  if (template === 'chat') return { file, line, segments: renderedChat(row, messagesOf(row), chat), frame: 'chat', answers: true };
  if (template === 'text') return document(row, [{ ...(fields.text as Field), trained: true }], false);
  if (typeof template === 'object') {
    if ('text' in template) return document(row, filled(template.text, fields, true), false);
    const completion = 'completion' in template ? filled(template.completion, fields, true) : [];
    return document(row, [...promptSegments(row, template), ...completion], true);
  }
  return document(row, [...promptSegments(row, template), { ...asInstruction(fields).response, trained: true }], true);
}

/** A text with its begin and end tokens to come. */
export function document({ file, line }: Origin, segments: readonly Segment[], answers: boolean): Example {
  return { file, line, segments: segments.filter(({ text }) => text !== ''), frame: 'document', answers };
}

/** What comes before an answer, by a settled template that is neither `chat` nor one text. */
export function promptSegments({ shape, fields }: ShapedRow, template: Template): Segment[] {
  if (typeof template === 'object') return 'prompt' in template ? filled(template.prompt, fields, false) : [];
  const { instruction, context } = asInstruction(fields);
  if ((shape === 'prompt' || shape === 'common') && template === 'plain') return [{ ...instruction, trained: false }];
  const { context: withContext, bare } = NAMED[template as keyof typeof NAMED];
  return filled(context.text === '' ? bare : withContext, { instruction, context }, false);
}

/** Prompt and completion count as instruction and response. */
function asInstruction(fields: Record<string, Field>): Record<'instruction' | 'context' | 'response', Field> {
  const none: Field = { text: '', field: 'template' };
  const { instruction = none, context = none, response = none, prompt = instruction, completion = response } = fields;
  return { instruction: prompt, context, response: completion };
}

/** An instruction is a user message, its context below it. */
export function asked({ fields }: ShapedRow): ChatMessage {
  const { instruction, context } = asInstruction(fields);
  return { role: 'user', content: context.text === '' ? instruction.text : `${instruction.text}\n\n${context.text}` };
}

const messagesOf = (row: ShapedRow): ChatMessage[] =>
  row.messages ?? [...(row.before ?? []), asked(row), { role: 'assistant', content: asInstruction(row.fields).response.text }];

type ChatRow = Pick<ShapedRow, 'file' | 'line' | 'tools' | 'trainedFrom' | 'rules'>;

/** A chat as the model's template writes it. */
export function renderedChat(row: ChatRow, messages: readonly ChatMessage[], chat: ChatRenderer | undefined): Segment[] {
  const isTrained = (n: number) => n >= (row.trainedFrom ?? 0) && messages[n]?.[UNTRAINED] !== true;
  const segments = withTemplate(row, chat, messages, (template, fitting, options) => template.render(fitting, { ...options, isTrained }));
  const placed = segments.map((segment) => ({ segment, place: placeOf(segment) }));
  const found = new Set(placed.map(({ place }) => place));
  const missing = messages.some((message, n) => isTrained(n) && answers(message) && !found.has(n));
  if (missing) row.rules?.note('unrendered_answer', 'an answer of the assistant', row, 'the chat template does not print it');
  return placed.map(({ segment, place }) => ({ ...segment, trained: segment.trained && (place === undefined || isTrained(place)) }));
}

/** The message that a stretch of a chat came from. */
function placeOf({ field }: Segment): number | undefined {
  const [, place] = /^messages\[(\d+)\]/.exec(field) ?? [];
  return place === undefined ? undefined : Number(place);
}

/** Whether a message is an answer that says something: words, thoughts or calls. */
const answers = (message: ChatMessage) => message.role === 'assistant' && ['content', ...ANSWER_KEYS].some((key) => says(message[key]));

const says = (value: unknown) => (typeof value === 'string' ? value.trim() !== '' : Array.isArray(value) && value.length > 0);

/** A chat up to where the next answer begins. */
export function renderedPrompt(row: ChatRow, messages: readonly ChatMessage[], chat: ChatRenderer | undefined): Segment[] {
  const text = withTemplate(row, chat, messages, (template, fitting, options) => template.prompt(fitting, options));
  return [{ text, trained: false, field: 'template' }];
}

type Render<T> = (chat: ChatRenderer, messages: readonly ChatMessage[], options: { tools?: unknown }) => T;

function withTemplate<T>(row: ChatRow, chat: ChatRenderer | undefined, messages: readonly ChatMessage[], render: Render<T>): T {
  const { file, line, tools, rules } = row;
  if (chat === undefined)
    throw new RequestError(
      'no_chat_template',
      'template: chat needs a chat template, and the model has none; use dolly, alpaca, plain or your own',
    );
  try {
    const fitting = fittingContents(messages, chat);
    const rendered = render(chat, fitting, tools === undefined ? {} : { tools });
    rules?.rendered(row, fitting, chat);
    return rendered;
  } catch (cause) {
    const { message, code = 'refused_chat', file: ownFile } = cause as Partial<DataError> & Error;
    if (ownFile !== undefined) throw cause; // the template itself is broken, whatever the row
    const way = code === 'refused_chat' ? ' (checks.refusedChat: drop leaves such rows out)' : '';
    throw new DataError(code, `${message.split('\n')[0] ?? ''}${way}`, { file, line, cause });
  }
}
