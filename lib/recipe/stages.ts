/** Recipes with stages: each stage's keys over the keys outside, and which stage each one goes on from. */

import { METHOD_NAMES, methods, type Needs } from '../methods/index.js';
import { excludedBy } from '../options/exclusive.js';
import type { Path } from '../options/expectation.js';
import { methodOf } from './narrow.js';
import type { Problem } from './problems.js';
import { SAMPLING } from './schema.js';

type Values = Record<string, unknown>;

/** What a stage goes on from, as indices of earlier stages. Left out: what its recipe names. */
export interface StageStart {
  /** The stage that trained all weights of its base. */
  model?: number;
  /** The stage that trained its adapter. */
  adapter?: number;
  /** The reward stage that judges its answers. */
  reward?: number;
  /** The stage whose sampled answers it reads, and which of its sources (`data`) they are. */
  answers?: { stage: number; sources: number[] };
  /** It names a model of its own, and so begins anew. */
  anew?: true;
}

/** A stage as a recipe of its own, not checked yet. What earlier stages make is named by `FROM_STAGE`. */
export interface StageValue {
  /** As written. */
  own: Values;
  value: Values;
  start: StageStart;
  problems: Problem[];
}

/** Stands for a folder that an earlier stage makes. */
const FROM_STAGE = 'made-by-an-earlier-stage';

/** Groups whose keys are defaults one by one. */
const GROUPS = ['compute', 'adapter', 'checks', 'train', 'evaluate'];

/** Figures that an adapter to go on from brings itself. */
const BROUGHT = ['rank', 'alpha', 'targets', 'rsLora'];

const isGroup = (value: unknown): value is Values => value !== null && typeof value === 'object' && !Array.isArray(value);

/** The stages of a recipe, or what is wrong with the list itself. */
export function stagesOf(recipe: Values): { stages: StageValue[]; problems: Problem[] } {
  const { stages, ...outside } = recipe;
  const fault = (path: Path, message: string, onKey = false) => ({ stages: [], problems: [{ path, onKey, message }] });
  if (!Array.isArray(stages) || stages.length === 0)
    return fault(['stages'], 'stages must be a list of at least one stage, each with the keys of a recipe');
  if ('method' in outside) return fault(['method'], 'method stands in every stage: leave it out here, or give no stages', true);
  const wrong = stages.findIndex((own) => !isGroup(own));
  if (wrong >= 0) return fault(['stages', wrong], `stages.${wrong} must be a group with the keys of a recipe, as { method: sft, data: … }`);
  const chain = new Chain();
  return { stages: stages.map((own, n) => chain.next(outside, own as Values, n)), problems: [] };
}

/** The recipe's keys with a stage's over them. */
function merged(outside: Values, own: Values): Values {
  const whole = structuredClone({ ...outside, ...own });
  for (const group of GROUPS) {
    const [before, after] = [outside[group], own[group]];
    if (!isGroup(before) || !isGroup(after)) continue;
    const kept = { ...before };
    for (const key of Object.keys(after)) {
      const other = excludedBy(group, key);
      if (other !== undefined) delete kept[other];
    }
    whole[group] = structuredClone({ ...kept, ...after });
  }
  return whole;
}

/** Follows from stage to stage what there is to go on from. */
class Chain {
  #model: number | undefined;
  #adapter: number | undefined;
  #reward: number | undefined;
  #answers: number | undefined;

  next(outside: Values, own: Values, n: number): StageValue {
    const value = merged(outside, own);
    const stage: StageValue = { own, value, start: {}, problems: [] };
    if ('out' in own) stage.problems.push(problem(['out'], 'out stands outside the stages: each stage gets a folder of its own in it'));
    if ('stages' in own) stage.problems.push(problem(['stages'], 'a stage has no stages of its own'));
    if ('model' in own) this.#forget();
    if ('model' in own) stage.start.anew = true;
    this.#goOn(stage);
    this.#judge(stage);
    this.#read(stage);
    this.#made(stage, n);
    return stage;
  }

  #forget(): void {
    this.#model = undefined;
    this.#adapter = undefined;
    this.#reward = undefined;
  }

  #goOn(stage: StageValue): void {
    const { own, value, start } = stage;
    if (this.#model !== undefined) {
      start.model = this.#model;
      value.model = FROM_STAGE;
    }
    const before = this.#adapter;
    const ownAdapter = isGroup(own.adapter) ? own.adapter : {};
    if (before === undefined || 'from' in ownAdapter) {
      dropBrought(value, ownAdapter);
      return;
    }
    if (!isGroup(value.adapter)) {
      const message = `this stage trains all weights, but the adapter of stage ${before + 1} would be lost: give it an adapter too, or merge first`;
      stage.problems.push(problem(['adapter'], message, false));
      return;
    }
    for (const key of BROUGHT.filter((key) => key in ownAdapter))
      stage.problems.push(problem(['adapter', key], `adapter.${key} is brought by the adapter of stage ${before + 1}: leave it out`));
    start.adapter = before;
    const { rank: _rank, alpha: _alpha, targets: _targets, rsLora: _rsLora, ...kept } = value.adapter;
    value.adapter = { ...kept, from: FROM_STAGE };
  }

  /** A method that needs rewards and names none takes the last reward stage's model. */
  #judge({ value, start }: StageValue): void {
    const name = methodOf(value);
    if (this.#reward === undefined || needsOf(name)?.rollouts !== true) return;
    const method = isGroup(value.method) ? value.method : { name };
    if ('rewards' in method) return;
    start.reward = this.#reward;
    value.method = { ...method, rewards: [{ model: FROM_STAGE }] };
  }

  /** `data: [{ stage: sample }]` are the rows that the last stage of that name wrote. */
  #read(stage: StageValue): void {
    const { value } = stage;
    if (!Array.isArray(value.data)) return;
    const sources = value.data.flatMap((source, n) => (isGroup(source) && 'stage' in source ? [n] : []));
    if (sources.length === 0) return;
    for (const n of sources) {
      const { stage: name, ...kept } = value.data[n];
      if (name !== SAMPLING)
        stage.problems.push(
          problem(['data', n, 'stage'], `data.${n}.stage must be ${SAMPLING}, whose rows can be read; got ${name}`, false),
        );
      value.data[n] = { ...kept, path: FROM_STAGE };
    }
    if (this.#answers === undefined)
      stage.problems.push(problem(['data'], `data: { stage: ${SAMPLING} } needs an earlier stage with method: ${SAMPLING}`, false));
    else stage.start.answers = { stage: this.#answers, sources };
  }

  #made({ value }: StageValue, n: number): void {
    const isAdapter = isGroup(value.adapter);
    const needs = needsOf(methodOf(value));
    if (needs?.samples === true) this.#answers = n;
    else if (needs?.scores === true) this.#reward = n;
    else if (isAdapter) this.#adapter = n;
    else this.#model = n;
  }
}

/** What a method of that name asks for; undefined where there is none. */
const needsOf = (name: string | undefined): Needs | undefined =>
  METHOD_NAMES.flatMap((one) => (one === name ? [methods[one].needs] : []))[0];

/** An adapter of the stage's own choice brings its figures, whatever stands outside. */
function dropBrought(value: Values, ownAdapter: Values): void {
  if (!('from' in ownAdapter) || !isGroup(value.adapter)) return;
  for (const key of BROUGHT) if (!(key in ownAdapter)) delete value.adapter[key];
}

const problem = (path: Path, message: string, onKey = true): Problem => ({ path, onKey, message });

/** Where a fault of a stage's recipe stands: in the stage, where that has the key, or outside. */
export function placed(path: Path, { own }: StageValue, outside: Values, n: number): { path: Path; inStage: boolean } {
  const [key, inner] = path;
  const [here, there] = [own[key as string], outside[key as string]];
  const has = (group: unknown) => isGroup(group) && (inner === undefined || (inner as string) in group);
  const isOutside = here === undefined ? there !== undefined : isGroup(here) && !has(here) && has(there);
  return isOutside ? { path, inStage: false } : { path: ['stages', n, ...path], inStage: true };
}
