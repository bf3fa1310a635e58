/** Where what the model writes in a turn ends: behind the end token that closes the turn. */
import type { ChatMessage } from './chat_spans.js';
import { type HeaderProbe, repeats, saying } from './headers.js';
import type { Turn } from './turns.js';

export interface EndTokens {
  /** Texts of the tokens at which generation stops. */
  ends: readonly string[];
  /** Texts of all added special tokens: the one with which the template closes every turn is an end token, too. */
  special: readonly string[];
}

/** A turn, and the end of its header. */
export interface Headed extends Turn {
  from: number;
}

/** The end of each turn, in units of the text: behind its end token, or behind what is said where there is none. */
export function turnEnds(
  text: string,
  messages: readonly ChatMessage[],
  turns: readonly Headed[],
  tokens: EndTokens,
  probe: Pick<HeaderProbe, 'render' | 'probe'>,
): number[] {
  const closer = closerOf(text, messages, turns, tokens.special);
  const ends = closer === undefined ? tokens.ends : [...tokens.ends, closer];
  let tail: string | undefined;
  return turns.map((turn, n) => {
    const said = saidEnd(text, messages[turn.messageIndex], turn);
    const found = endInside(text, turn, said, ends) ?? endBehind(text, turn, ends);
    if (found !== undefined) return found;
    if (tail === undefined || !repeats(n, turns.length)) tail = tailOf(text, messages, turn, probe);
    return text.slice(turn.from, turn.end).endsWith(tail) ? Math.min(said, turn.end - tail.length) : said;
  });
}

/** The special token that closes all turns, and that is the template's: the messages do not end with it themselves. */
function closerOf(
  text: string,
  messages: readonly ChatMessage[],
  turns: readonly Headed[],
  special: readonly string[],
): string | undefined {
  const closing = turns.map((turn) => {
    const body = text.slice(turn.from, turn.end).trimEnd();
    const token = longest(special.filter((one) => one !== '' && body.endsWith(one)));
    if (token === undefined) return undefined;
    const { content } = messages[turn.messageIndex] ?? {};
    const own = typeof content === 'string' && content.trimEnd().endsWith(token);
    return own && !body.slice(0, -token.length).trimEnd().endsWith(token) ? undefined : token;
  });
  return closing.every((token) => token === closing[0]) ? closing[0] : undefined;
}

const longest = (texts: readonly string[]) => texts.reduce<string | undefined>((a, b) => (a && a.length >= b.length ? a : b), undefined);

/** The end of what the message says, white space that the template put behind it aside. */
function saidEnd(text: string, message: ChatMessage | undefined, { from, end }: Headed): number {
  const body = text.slice(from, end);
  const bare = from + body.trimEnd().length;
  if (typeof message?.content !== 'string' || message.content === '') return bare;
  const at = body.lastIndexOf(message.content);
  return at < 0 ? bare : Math.max(bare, from + at + message.content.length);
}

/** What the template puts behind whatever the message says, where no token ends the turn. */
function tailOf(
  text: string,
  messages: readonly ChatMessage[],
  { end, messageIndex }: Headed,
  { render, probe }: Pick<HeaderProbe, 'render' | 'probe'>,
): string {
  const { role = '', content = '' } = messages[messageIndex] ?? {};
  const bare = messages.map((message, i) => (i === messageIndex ? { role, content } : message));
  const rendered = render(saying(bare, messageIndex, probe), false);
  const rest = text.slice(end);
  if (!rendered?.includes(probe) || !rendered.endsWith(rest)) return '';
  return rendered.slice(rendered.lastIndexOf(probe) + probe.length, rendered.length - rest.length);
}

/** Behind the last end token of the turn, where only what the template puts behind a turn follows it. */
function endInside(text: string, { from, end }: Headed, said: number, ends: readonly string[]): number | undefined {
  const body = text.slice(from, end);
  const found = ends.flatMap((token) => {
    const at = token === '' ? -1 : body.lastIndexOf(token);
    return at < 0 ? [] : [from + at + token.length];
  });
  const last = Math.max(...found);
  return found.length > 0 && text.slice(last, Math.max(said, last)).trim() === '' ? last : undefined;
}

/** Behind an end token that follows the turn, white space aside. */
function endBehind(text: string, { end }: Headed, ends: readonly string[]): number | undefined {
  let at = end;
  while (/\s/.test(text.charAt(at))) at++;
  const token = longest(ends.filter((one) => one !== '' && text.startsWith(one, at)));
  return token === undefined ? undefined : at + token.length;
}
