/** `attune preview RECIPE` */
import type { Command } from './command.js';

export const preview: Command = {
  name: 'preview',
  summary: 'Shows rows as the model will see them, with the trained part marked, and counts all rows.',
  positional: { name: 'RECIPE', describe: 'a recipe in YAML or JSON' },
  options: {
    rows: { value: 'N', describe: 'rows to show; default 5', kind: 'whole', least: 1 },
    stage: { value: 'N', describe: 'which stage of a recipe with stages; default 1', kind: 'whole', least: 1 },
    set: { value: 'KEY=VALUE', describe: 'changes a key of the recipe; may be given several times', many: true },
  },
  examples: [
    ['attune preview recipe.yaml', 'the first 5 rows'],
    ['attune preview recipe.yaml --rows 50 --json', 'ids, tokens and trained flags of 50'],
  ],
  async run(values, context) {
    const [{ readRecipe }, { previewRecipe }, { previewRows, renderPreview }, { default: colours }] = await Promise.all([
      import('../recipe/index.js'),
      import('../training/run/preview.js'),
      import('../data/sequences/preview.js'),
      import('picocolors'),
    ]);
    const count = (values.rows as number | undefined) ?? 5;
    const recipe = readRecipe(values.RECIPE as string, { set: values.set as string[] | undefined });
    const { dataset, tokenizer } = await previewRecipe(recipe, {
      rows: count,
      stage: values.stage as number | undefined,
      signal: context.signal,
    });
    const shown = context.json
      ? JSON.stringify(previewRows(dataset, tokenizer, count))
      : renderPreview(dataset, tokenizer, count, colours.isColorSupported);
    context.print(shown);
  },
};
