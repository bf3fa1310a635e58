import { describe, expect, it } from 'vitest';
import type { Command, Option } from '../../lib/cli/command.js';
import { parseCommand, programHelp } from '../../lib/cli/parse.js';
import { commands } from '../../lib/cli/program.js';
import { RequestError } from '../../lib/errors/index.js';

const options: Record<string, Option> = {
  model: { value: 'DIR', describe: 'a folder', required: true },
  stop: { value: 'TEXT', describe: 'a text', many: true },
  dtype: { value: 'TYPE', describe: 'a type', choices: ['bf16', 'f32'] },
  threads: { value: 'N', describe: 'threads', kind: 'threads' },
  rows: { value: 'N', describe: 'rows', kind: 'whole', least: 1 },
  temperature: { value: 'T', describe: 'heat', kind: 'number', least: 0, most: 2 },
  chat: { describe: 'a flag' },
};
const command: Command = { name: 'ask', summary: 'Asks.', options, examples: [['attune ask --model x', 'asks x']], run: async () => {} };
const withRecipe: Command = { ...command, positional: { name: 'RECIPE', describe: 'a recipe' }, options: {} };

function values(...args: string[]) {
  const parsed = parseCommand(command, args);
  if ('help' in parsed) throw new Error(parsed.help);
  return parsed.values;
}

function fault(args: string[], of = command): string {
  try {
    parseCommand(of, args);
  } catch (error) {
    expect(error).toBeInstanceOf(RequestError);
    return (error as Error).message;
  }
  throw new Error('no error');
}

describe('options', () => {
  it('have the values that were given', () => {
    expect(values('--model', 'x', '--chat', '--stop', '.', '--stop=--', '--rows', '3', '--temperature=0.5', '--json')).toEqual({
      model: 'x',
      chat: true,
      stop: ['.', '--'],
      rows: 3,
      temperature: 0.5,
      json: true,
    });
    expect(values('--model', '')).toEqual({ model: '' });
    expect(values('--model', '007', '--threads', 'auto')).toEqual({ model: '007', threads: 'auto' });
  });

  it.each<[string[], string[]]>([
    [
      ['--modle', 'x'],
      ['--modle', 'did you mean --model?', 'attune ask --help'],
    ],
    [['--model', 'x', '--max_tokens', '3'], ['--max_tokens']],
    [['--model', 'x', '-q'], ['-q']],
    [['--model', 'x', '--no-chat'], ['--no-chat']],
    [[], ['missing option --model', 'a folder']],
    [['--model'], ['--model', 'needs a value']],
    [
      ['--model', 'x', '--model', 'y'],
      ['--model', '2 times'],
    ],
    [
      ['--model', 'x', '--dtype', 'f63'],
      ['--dtype', 'bf16, f32', 'f63', 'did you mean f32?'],
    ],
    [
      ['--model', 'x', '--rows', '0'],
      ['--rows', 'at least 1', '0'],
    ],
    [
      ['--model', 'x', '--rows', '1.5'],
      ['--rows', 'whole number', '1.5'],
    ],
    [
      ['--model', 'x', '--temperature', 'hot'],
      ['--temperature', 'number', 'at most 2', 'hot'],
    ],
    [
      ['--model', 'x', '--threads', 'many'],
      ['--threads', 'many'],
    ],
    [['--model', 'x', 'more'], ['unexpected argument more']],
  ])('are refused with words: %j', (args, words) => {
    const message = fault(args);
    for (const word of words) expect(message).toContain(word);
  });

  it('may stand beside a word that must be there', () => {
    expect(parseCommand(withRecipe, ['x.yaml', '--json'])).toEqual({ values: { RECIPE: 'x.yaml', json: true } });
    expect(fault([], withRecipe)).toContain('missing RECIPE: a recipe');
    expect(fault(['a', 'b'], withRecipe)).toContain('unexpected argument b');
  });
});

describe('help', () => {
  it.each(commands.map((one) => [one.name, one] as const))('of %s tells every option, with examples', (_name, one) => {
    const parsed = parseCommand(one, ['--help']);
    const help = 'help' in parsed ? parsed.help : '';
    for (const name of [...Object.keys(one.options), 'json', 'help']) expect(help).toContain(`--${name}`);
    expect(help).toContain(one.summary);
    expect(one.examples.length).toBeGreaterThan(0);
    for (const [line] of one.examples) expect(help).toContain(line);
  });

  it('of the program names every command', () => {
    const help = programHelp(commands, '1.2.3');
    for (const { name } of commands) expect(help).toContain(name);
    expect(help).toContain('1.2.3');
  });
});
