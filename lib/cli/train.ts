/** `attune train RECIPE` */
import type { TrainingEvent } from '../training/events.js';
import { type Command, type Context, DTYPE, THREADS, type Values } from './command.js';

export const train: Command = {
  name: 'train',
  summary: 'Trains as a recipe says, and writes an adapter or a model.',
  positional: { name: 'RECIPE', describe: 'a recipe in YAML or JSON' },
  options: {
    out: { value: 'DIR', describe: 'output folder; wins over out: in the recipe' },
    set: { value: 'KEY=VALUE', describe: 'changes a key of the recipe, as train.steps=3; may be given several times', many: true },
    resume: { describe: 'go on from the newest checkpoint in the output folder; a run that has none yet begins anew' },
    dtype: DTYPE,
    threads: THREADS,
    device: { value: 'DEVICE', describe: 'where the arithmetic runs: auto or cpu' },
  },
  examples: [
    ['attune train recipe.yaml', 'trains into the recipe’s out'],
    ['attune train recipe.yaml --out runs/x --set train.steps=20', 'another folder, fewer steps'],
    ['attune train recipe.yaml --out runs/x --resume', 'goes on after Ctrl-C or a crash'],
  ],
  async more() {
    const { recipeKeys } = await import('../recipe/index.js');
    const keys = recipeKeys().map(({ key, expected, description, default: value, required }) => {
      const given = value !== undefined && (value === null || typeof value !== 'object');
      const note = required ? '; required' : given ? `; default ${value}` : '';
      return `  ${key}  (${expected}${note})\n      ${description}`;
    });
    return `Keys of a recipe, and of --set:\n${keys.join('\n')}`;
  },
  async run(values, context) {
    const [{ readRecipe }, { train: start }] = await Promise.all([import('../recipe/index.js'), import('../training/run/train.js')]);
    const recipe = readRecipe(values.RECIPE as string, { set: settings(values) });
    const { signal, progress } = context;
    signal.addEventListener('abort', () => progress.say('stopping after this step; Ctrl-C again stops at once'));
    const events = start(recipe, {
      signal,
      out: values.out as string | undefined,
      resume: values.resume === true,
      onDownload: (download) => progress.download(download),
    });
    for await (const event of events) tell(event, context);
  },
};

function tell(event: TrainingEvent, { json, print, progress }: Context): void {
  if (json) print(JSON.stringify(event));
  progress.tell(event);
  if (event.event !== 'done') return;
  progress.end();
  if (!json) print(event.output);
}

/** Options that stand for keys of the recipe. */
function settings({ set = [], dtype, threads, device }: Values): string[] {
  const keys = Object.entries({ 'compute.dtype': dtype, 'compute.threads': threads, 'compute.device': device });
  return [...(set as string[]), ...keys.filter(([, value]) => value !== undefined).map(([key, value]) => `${key}=${value}`)];
}
