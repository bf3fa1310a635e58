/** Arguments to values, with messages that name the option, what was expected, and the nearest one that exists. */
import yargs from 'yargs';
import { nearest, RequestError } from '../errors/index.js';
import type { Command, Option, Values } from './command.js';

/** What a command line comes to: help to print, or values. */
export type Parsed = { help: string } | { values: Values };

const COMMON: Record<string, Option> = {
  json: { describe: 'answer with JSON on standard output, and nothing else there' },
  help: { describe: 'show this help' },
};

/**
 * Reads the arguments after a command's name.
 * @throws RequestError `unknown_option`, `missing_option`, `bad_option`, `unexpected_argument`
 */
export function parseCommand(command: Command, args: readonly string[]): Parsed {
  const options = { ...command.options, ...COMMON };
  const { argv, output } = readWithYargs(command, options, args);
  if (output !== '') return { help: output };
  const { _: words = [], $0: _script, ...given } = argv;
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(options, name));
  if (unknown !== undefined) throw unknownOption(unknown, Object.keys(options), command.name);
  const values: Values = {};
  for (const [name, option] of Object.entries(options)) if (given[name] !== undefined) values[name] = givenValue(name, option, given[name]);
  const missing = Object.entries(options).find(([name, { required }]) => required && values[name] === undefined);
  if (missing !== undefined) throw request('missing_option', `missing option --${missing[0]}: ${missing[1].describe}`, command.name);
  return { values: { ...values, ...positionalOf(command, words as string[]) } };
}

const request = (code: string, message: string, command: string) => new RequestError(code, `${message}; see attune ${command} --help`);

function unknownOption(name: string, known: readonly string[], command: string): RequestError {
  const guess = nearest(name, known);
  const dash = name.length === 1 ? '-' : '--';
  return request('unknown_option', `unknown option ${dash}${name}${guess === undefined ? '' : `; did you mean --${guess}?`}`, command);
}

type Argv = Record<string, unknown> & { _?: unknown[] };

function readWithYargs(command: Command, options: Record<string, Option>, args: readonly string[]): { argv: Argv; output: string } {
  const { positional, summary, examples } = command;
  const parser = yargs([])
    .scriptName('attune')
    .usage(`attune ${command.name}${positional === undefined ? '' : ` ${positional.name}`} [options]\n\n${summary}`)
    .parserConfiguration({
      'camel-case-expansion': false,
      'boolean-negation': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .help('help', COMMON.help?.describe ?? '')
    .version(false)
    .exitProcess(false)
    .locale('en')
    .wrap(Math.min(120, process.stdout.columns ?? 100));
  for (const [name, option] of Object.entries(options)) {
    if (name === 'help') continue;
    const { describe, choices, value } = option;
    const words = choices === undefined ? describe : `${describe}: ${choices.join(', ')}`;
    parser.option(name, { describe: words, ...(value === undefined ? { type: 'boolean' } : { type: 'string', requiresArg: true }) });
  }
  // Not by yargs' own list of examples, which breaks command lines into columns.
  parser.epilogue(`Examples:\n${examples.map(([line, what]) => `  ${line}\n      ${what}`).join('\n')}`);
  let result: { argv: Argv; output: string } = { argv: {}, output: '' };
  parser.fail((message, error) => {
    throw request('bad_option', plainFailure(message ?? error.message), command.name);
  });
  parser.parse([...args], {}, (error: Error | undefined, argv: Argv, output: string) => {
    if (error) throw error;
    result = { argv, output };
  });
  return result;
}

const plainFailure = (message: string) => message.replace(/^Not enough arguments following: (.*)$/, 'option --$1 needs a value');

function givenValue(name: string, option: Option, given: unknown): Values[string] {
  if (option.value === undefined) return given === true;
  const list = Array.isArray(given) ? given : [given];
  if (option.many) return list.map(String);
  if (list.length > 1) throw new RequestError('bad_option', `option --${name} was given ${list.length} times; once is enough`);
  const text = String(list[0]);
  if (option.choices !== undefined && !option.choices.includes(text)) throw badChoice(name, option.choices, text);
  if (option.kind === 'threads') return text === 'auto' ? text : numberOf(name, { ...option, kind: 'whole', least: 1, most: 1024 }, text);
  return option.kind === 'whole' || option.kind === 'number' ? numberOf(name, option, text) : text;
}

function badChoice(name: string, choices: readonly string[], text: string): RequestError {
  const guess = nearest(text, choices);
  return new RequestError(
    'bad_option',
    `option --${name} must be one of ${choices.join(', ')}, not ${text}${guess ? `; did you mean ${guess}?` : ''}`,
  );
}

function numberOf(name: string, { kind, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY }: Option, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  const fits = kind === 'whole' ? Number.isSafeInteger(value) : Number.isFinite(value);
  if (fits && value >= least && value <= most) return value;
  const low = least === Number.NEGATIVE_INFINITY ? '' : ` of at least ${least}`;
  const high = most === Number.POSITIVE_INFINITY ? '' : `${low === '' ? ' of' : ' and'} at most ${most}`;
  throw new RequestError(
    'bad_option',
    `option --${name} must be a ${kind === 'whole' ? 'whole number' : 'number'}${low}${high}, not ${text}`,
  );
}

function positionalOf({ name, positional }: Command, words: readonly string[]): Values {
  if (positional === undefined) {
    if (words.length > 0) throw request('unexpected_argument', `unexpected argument ${words[0]}`, name);
    return {};
  }
  if (words.length === 0) throw request('missing_argument', `missing ${positional.name}: ${positional.describe}`, name);
  if (words.length > 1) throw request('unexpected_argument', `unexpected argument ${words[1]}`, name);
  return { [positional.name]: words[0] as string };
}

/** Help of the program as a whole. */
export function programHelp(commands: readonly Command[], version: string): string {
  const width = Math.max(...commands.map(({ name, positional }) => `${name} ${positional?.name ?? ''}`.trim().length));
  const lines = commands.map(
    ({ name, positional, summary }) => `  ${`${name} ${positional?.name ?? ''}`.trim().padEnd(width)}  ${summary}`,
  );
  return `attune ${version}: fine-tunes language models of the LLaMA family\n\nattune COMMAND [options]\n\n${lines.join('\n')}\n\nattune COMMAND --help tells more, with examples. --json makes every answer JSON.`;
}
