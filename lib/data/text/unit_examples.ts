/** Prompts and answers as examples, one for each sequence that they make. */
import { DataError, RequestError } from '../../errors/index.js';
import type { Template } from '../../options/index.js';
import { transcriptMessages, withoutLead } from '../rows/beginning.js';
import { type Answer, answerMessages } from '../rows/rows.js';
import type { ChatMessage, ChatRenderer, Example, Origin } from '../types.js';
import { asked, document, promptSegments, renderedChat, renderedPrompt } from './template.js';
import type { UnitRow } from './unit_rows.js';

/** The row's sequences in the order of its answers, by a settled template. */
export function unitExamples(row: UnitRow, template: Template | 'text', chat?: ChatRenderer): Example[] {
  if (template === 'text') throw new RequestError('template_mismatch', 'a text alone has no answer');
  return template === 'chat' ? chatExamples(row, chat) : textExamples(row, template);
}

function textExamples({ unit, prompt, answers }: UnitRow, template: Template): Example[] {
  const before = promptSegments(prompt, template);
  if (unit === 'prompt') return [{ ...document(prompt, before, false), open: true }];
  const trained = (answer: Answer) => ({ text: textAlone(answer, prompt), field: answer.field, trained: true });
  return answers.map((answer) => document(prompt, [...before, trained(answer)], true));
}

/** The text of an answer where a template has no place for anything else. @throws DataError `template_mismatch` */
function textAlone({ text, messages = [], field }: Answer, { file, line }: Origin): string {
  const what = messages.length > 1 ? 'is several messages' : messages[0]?.tool_calls === undefined ? undefined : 'calls tools';
  if (what === undefined) return text;
  throw new DataError('template_mismatch', `${field} ${what}, which only template: chat can write`, { file, line });
}

function chatExamples(row: UnitRow, chat: ChatRenderer | undefined): Example[] {
  const { unit, prompt, file, line } = row;
  const { messages, isTranscript } = chatPrompt(row);
  const common = { file, line, frame: 'chat' as const };
  if (unit === 'prompt') return [{ ...common, segments: renderedPrompt(prompt, messages, chat), answers: false, open: true }];
  return row.answers.map((answer) => {
    const said = isTranscript ? { ...answer, text: withoutLead(answer.text) } : answer;
    const segments = renderedChat({ ...prompt, trainedFrom: messages.length }, [...messages, ...answerMessages(said)], chat);
    return { ...common, segments, answers: true };
  });
}

/** The prompt as messages: its own, those of a transcript, or one of the user. */
function chatPrompt({ prompt, file, line }: UnitRow): { messages: ChatMessage[]; isTranscript: boolean } {
  if (prompt.messages !== undefined) return { messages: prompt.messages, isTranscript: false };
  const { before = [] } = prompt;
  const messages = transcriptMessages(prompt.fields.prompt?.text ?? '');
  if (messages !== undefined) return { messages: [...before, ...messages], isTranscript: true };
  if (prompt.shape !== 'common') return { messages: [...before, asked(prompt)], isTranscript: false };
  const what = 'chosen and rejected are no transcripts (\\n\\nHuman: … \\n\\nAssistant: …), so template: chat cannot tell who says what';
  throw new DataError('no_transcript', `${what}; use template: plain, or give the rows a column prompt`, { file, line });
}
