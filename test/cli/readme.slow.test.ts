// The README's training commands, run: on the embedded model and rows of the same shape, two steps each.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tinyText, writeRows } from '../support/events.js';

const root = resolve(import.meta.dirname, '../..');
const work = mkdtempSync(join(tmpdir(), 'attune-readme-'));
afterAll(() => rmSync(work, { recursive: true }));

/** The embedded model, which has no template of chats, with one. */
const model = join(work, 'model');
cpSync(join(root, 'models/embedded'), model, { recursive: true });
const CHAT = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token if m.role == 'assistant' else '\\n' }}{% endfor %}";
writeFileSync(join(model, 'chat_template.jinja'), `${CHAT}{% if add_generation_prompt %}assistant: {% endif %}`);

const commands = readFileSync(join(root, 'README.md'), 'utf8')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => line.startsWith('npx attune train '));

const pair = (n: number) => ({ prompt: tinyText(n), chosen: tinyText(n + 1), rejected: tinyText(n + 2) });
const thumb = (n: number) => ({ prompt: tinyText(n), completion: tinyText(n + 1), label: n % 5 < 2 });

/** The command's words with what is here in place of what is elsewhere, and what makes it short behind them. */
function here(line: string, out: string): string[] {
  const recipe = /examples\/(\w+)\.yaml/.exec(line)?.[1] as string;
  const row = recipe === 'kto' ? thumb : pair;
  const data = writeRows(
    join(work, `${recipe}.jsonl`),
    Array.from({ length: 64 }, (_, n) => row(n)),
  );
  const words = line.split(/\s+/).slice(2);
  const placed = words.map((word) => word.replace(/^model=FOLDER$/, `model=${model}`).replace(/^data=.*/, `data=${data}`));
  const short = ['train.steps=2', 'train.maxLength=128', 'evaluate.every=1', `out=${out}`];
  return [...placed, ...short.flatMap((set) => ['--set', set])];
}

describe('a command of the README', () => {
  it('is there to be run', () => expect(commands.length).toBeGreaterThanOrEqual(3));

  it.each(commands)('runs: %s', (line) => {
    const out = join(work, `out${commands.indexOf(line)}`);
    const told = execFileSync(process.execPath, ['bin/attune.js', ...here(line, out), '--json'], { cwd: root, encoding: 'utf8' });
    const events = told.split('\n').flatMap((one) => (one.startsWith('{') ? [JSON.parse(one)] : []));
    expect(events.filter(({ event }) => event === 'step')).toHaveLength(2);
    expect(events.filter(({ event }) => event === 'evaluation').length).toBeGreaterThanOrEqual(2);
    expect(events.at(-1)).toMatchObject({ event: 'done', step: 2 });
  });
});
