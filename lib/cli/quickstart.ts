/** `npm run quickstart`: the embedded model learns the tone of a laboratory notebook, with what changed shown before and after. */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { loadModel } from '../evaluation/model.js';
import { readRecipe } from '../recipe/index.js';
import { train } from '../training/run/train.js';
import { Progress } from './progress.js';

const PROMPTS = ['The fermenter', 'Sample 12 was'];

export interface QuickstartOptions {
  /** Package root: `examples/` and `models/` lie in it, `runs/` is made. */
  root: string;
  /** Changes of the recipe, as `train.steps=3`. */
  set?: string[];
  /** Where the run goes; default the first free folder of runs/quickstart, runs/quickstart-2, … */
  out?: string;
  print?: (line: string) => void;
}

/** Fine-tunes, and prints perplexity and samples before and after. → exit status */
export async function quickstart({ root, set = [], out = freeFolder(root), print = console.log }: QuickstartOptions): Promise<number> {
  const recipe = readRecipe(join(root, 'examples/quickstart.yaml'), { set });
  const { model } = recipe.recipe;
  const place = (path: string) => relative(process.cwd(), path) || path;
  const start = performance.now();
  print(`Fine-tuning ${place(model)} (a small model of general English) on laboratory notes.\n\nBefore:`);
  await samples(model, undefined, print);
  print('');
  const perplexities: number[] = [];
  const progress = new Progress(process.stderr, false);
  let adapter = '';
  for await (const event of train(recipe, { out })) {
    progress.tell(event);
    if (event.event === 'evaluation' && event.perplexity !== undefined) perplexities.push(event.perplexity);
    if (event.event === 'done') adapter = event.output;
  }
  progress.end();
  print('\nAfter:');
  await samples(model, adapter, print);
  const [before, after] = [perplexities[0], perplexities.at(-1)].map((value) => value?.toFixed(1));
  print(
    `\nPerplexity on notes that were held out: ${before} before, ${after} after, in ${((performance.now() - start) / 1000).toFixed(0)} s.`,
  );
  print(`The adapter is in ${place(adapter)} (PEFT opens it). Try:`);
  print(`  node bin/attune.js generate --model ${place(model)} --adapter ${place(adapter)} --prompt "The centrifuge"`);
  return 0;
}

function freeFolder(root: string): string {
  const named = (n: number) => join(root, 'runs', n === 1 ? 'quickstart' : `quickstart-${n}`);
  let n = 1;
  while (existsSync(named(n))) n++;
  return named(n);
}

async function samples(folder: string, adapter: string | undefined, print: (line: string) => void): Promise<void> {
  const model = await loadModel(folder, { adapter });
  try {
    for (const prompt of PROMPTS) {
      const pieces = model.generate(prompt, { maxNewTokens: 40, temperature: 0.7, seed: 1 });
      let next = await pieces.next();
      while (!next.done) next = await pieces.next();
      print(`  ${prompt}${next.value.text.replaceAll(/\s+/g, ' ')} …`);
    }
  } finally {
    model.dispose();
  }
}
