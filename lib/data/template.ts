/** Templates: how the fields of a row become one text, with the origin of every stretch. */
import { DataError, type ErrorPlace, nearest, RequestError } from '../errors/index.js';
import type { Template } from '../options/index.js';
import type { Field, ShapedRow } from './rows.js';
import type { ChatMessage, ChatRenderer, Example, Segment } from './types.js';

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

/** Names in braces, each once. */
export function placeholdersOf(template: Exclude<Template, string>): string[] {
  const parts = Object.values(template).flatMap(parseTemplate);
  return [...new Set(parts.flatMap((part) => ('placeholder' in part ? [part.placeholder] : [])))];
}

/** The refusal of a placeholder that is no column. */
export function unknownPlaceholder(name: string, file: string, columns: string[], place: ErrorPlace): RequestError {
  const guess = nearest(name, columns);
  const hint = guess === undefined ? '' : `; did you mean {${guess}}?`;
  return new RequestError(
    'unknown_placeholder',
    `template: {${name}} is no column of ${file}; its columns are ${columns.join(', ')}${hint}`,
    place,
  );
}

function filled(template: string, fields: Record<string, Field>, trained: boolean): Segment[] {
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
export function settledTemplate(template: Template, shape: ShapedRow['shape'], hasChat: boolean): Template | 'text' {
  if (typeof template !== 'string') return template;
  if (shape === 'text') return 'text';
  if (shape === 'messages' || shape === 'conversations') {
    if (template === 'auto' || template === 'chat') return 'chat';
    throw new RequestError('template_mismatch', `template: ${template} has no place for rows of ${shape}; use template: chat`);
  }
  if (template !== 'auto') return template;
  if (shape === 'prompt') return 'plain';
  return hasChat ? 'chat' : 'dolly';
}

/** The row as an example, by a settled template. */
export function makeExample(row: ShapedRow, template: Template | 'text', chat?: ChatRenderer): Example {
  const { file, line, fields } = row;
  const document = (segments: Segment[], answers: boolean): Example => ({
    file,
    line,
    segments: segments.filter(({ text }) => text !== ''),
    frame: 'document',
    answers,
  });
  if (template === 'chat') return { file, line, segments: rendered(row, chat), frame: 'chat', answers: true };
  if (typeof template === 'object') {
    if ('text' in template) return document(filled(template.text, fields, true), false);
    return document([...filled(template.prompt, fields, false), ...filled(template.completion, fields, true)], true);
  }
  if (template === 'text') return document([{ ...(fields.text as Field), trained: true }], false);
  const { instruction, context, response } = asInstruction(fields);
  const answer = { ...response, trained: true };
  if (row.shape === 'prompt' && template === 'plain') return document([{ ...instruction, trained: false }, answer], true);
  const { context: withContext, bare } = NAMED[template as keyof typeof NAMED];
  const prompt = filled(context.text === '' ? bare : withContext, { instruction, context }, false);
  return document([...prompt, answer], true);
}

/** Prompt and completion count as instruction and response. */
function asInstruction(fields: Record<string, Field>): Record<'instruction' | 'context' | 'response', Field> {
  const none: Field = { text: '', field: 'template' };
  const { instruction = none, context = none, response = none, prompt = instruction, completion = response } = fields;
  return { instruction: prompt, context, response: completion };
}

function rendered(row: ShapedRow, chat: ChatRenderer | undefined): Segment[] {
  const { file, line, tools } = row;
  if (chat === undefined)
    throw new RequestError(
      'no_chat_template',
      'template: chat needs a chat template, and the model has none; use dolly, alpaca, plain or your own',
    );
  const messages = row.messages ?? asMessages(row);
  try {
    return chat.render(messages, tools === undefined ? {} : { tools });
  } catch (cause) {
    const { message, code = 'refused_chat', file: ownFile } = cause as Partial<DataError> & Error;
    if (ownFile !== undefined) throw cause; // the template itself is broken, whatever the row
    throw new DataError(code, message.split('\n')[0] ?? '', { file, line, cause });
  }
}

/** An instruction is a user message, its context below it; the response is the assistant's. */
function asMessages({ fields }: ShapedRow): ChatMessage[] {
  const { instruction, context, response } = asInstruction(fields);
  const asked = context.text === '' ? instruction.text : `${instruction.text}\n\n${context.text}`;
  return [
    { role: 'user', content: asked },
    { role: 'assistant', content: response.text },
  ];
}
