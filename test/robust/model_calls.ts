/**
 * Random calls of a tiny model, in any order and of any length: what the fuzzer of models makes. A call is made, and gives what it came to; the
 * arguments of some are bent. Symbols: N tokens, T targets, H hidden.
 */
import type { AdapterOptions, ForwardBatch, NativeGeneration, NativeModel, NativeRollout, NetworkConfig } from '../../lib/native.js';
import { bend } from './bend.js';
import { hiddenKeys, starts } from './kernel_arguments.js';
import { ODD } from './mutate.js';
import { floats, ids, type Random } from './random.js';

/** What a sequence of calls knows of its model. */
export interface Play {
  model: NativeModel;
  network: NetworkConfig;
  r: Random;
  /** Whether arguments are bent and numbers may be NaN or infinite. */
  wild: boolean;
  generations: NativeGeneration[];
  rollouts: NativeRollout[];
  /** Counts of the last pass that was asked for: what its gradients must have. */
  passed: { targets: number; scores: number; candidates: number; entropy: boolean; mean: boolean };
}
export type Call = (play: Play) => unknown;

const NAMES = [undefined, undefined, 'default', 'x'];
const LAYERS = ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.o_proj', 'mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'];
/** Counts and capacities that are wrong, or beyond every machine. */
const NO_COUNTS = [-1, 0, 0.5, Number.NaN, 2 ** 31, 2 ** 40, 2 ** 53, 1e308, '3', null];

const numbers = (n: number, { r, wild }: Play) =>
  wild && r.chance(0.2) ? floats(n, r) : Float32Array.from({ length: n }, () => r.unit() - 0.5);
const positive = (n: number, r: Random) => Float32Array.from({ length: n }, () => 1 + r.unit());
/** The name of a set, true or false as passes take it. */
const nameFor = ({ r }: Play) => r.pick([...NAMES, ...NAMES, true, false, 'nobody']);
const setName = ({ r }: Play) => r.pick([...NAMES, ...NAMES, 'nobody']);
/** A count that is right, or now and then not. */
const count = (right: number, { r, wild }: Play) => (wild && r.chance(0.1) ? (r.pick(NO_COUNTS) as number) : right);
/** Mostly what must be there, sometimes another length. */
const near = (n: number, { r }: Play) => (r.chance(0.85) ? n : Math.max(0, n + r.pick([-1, 1, 7, -n])));
const bent = <T extends object>(args: T, { r, wild }: Play): T => {
  if (wild && r.chance(0.3)) bend(args as Record<string, unknown>, r);
  return args;
};

function adapter(play: Play): AdapterOptions {
  const { r, network } = play;
  const { hidden, inner, heads, kvHeads, headSize } = network;
  const [q, kv] = [heads * headSize, kvHeads * headSize];
  const sizes = { q_proj: [hidden, q], k_proj: [hidden, kv], o_proj: [q, hidden], gate_proj: [hidden, inner], up_proj: [hidden, inner] };
  const targets = LAYERS.filter(() => r.chance(0.5)).flatMap((layer) => {
    const [inputs, outputs] = sizes[layer.split('.')[1] as keyof typeof sizes] ?? [inner, hidden];
    const rank = r.pick([1, 2, 4, 7, 33]);
    const factors = { a: numbers(near(rank * inputs!, play), play), b: numbers(outputs! * rank, play) };
    return [bent({ name: `model.layers.${r.below(2)}.${layer}`, rank, ...factors }, play)];
  });
  const name = r.pick(NAMES);
  return bent({ ...(name && { name }), train: r.chance(0.8), scale: 0.5, dropout: r.pick([0, 0, 0.5]), targets }, play);
}

function targetsOf(N: number, play: Play): Partial<ForwardBatch> {
  const { r, network } = play;
  const targets = ids(N, network.vocabulary, r).map((id) => (r.chance(0.4) ? -1 : id));
  if (r.chance(0.8) || N === 0) return { targets };
  const rows = ids(r.below(9), N, r).sort();
  return { targets, targetRows: rows, targetIds: ids(near(rows.length, play), network.vocabulary, r) };
}

function batch(play: Play): ForwardBatch {
  const { r, network } = play;
  const N = r.pick([0, 1, 2, 5, 31, 32, 33, 70]);
  const sequenceStarts = starts(N, r);
  const made = { tokens: ids(N, network.vocabulary, r), sequenceStarts, ...targetsOf(N, play) } as ForwardBatch;
  const T = made.targetIds?.length ?? made.targets.filter((id) => id >= 0).length;
  if (r.chance(0.2)) made.candidates = ids(near(T * 3, play), network.vocabulary, r);
  if (r.chance(0.2) && N > 0) made.scoreRows = ids(r.below(4), N, r);
  if (r.chance(0.2)) Object.assign(made, hiddenKeys(sequenceStarts, r));
  if (r.chance(0.2)) made.sequenceKeys = ids(r.pick([sequenceStarts.length - 1, N]), 99, r);
  return made;
}

function forward(play: Play): unknown {
  const { r, model } = play;
  const made = batch(play);
  const { scoreRows, candidates, targetIds, targets } = made;
  const [entropy, mean] = [r.chance(0.3), r.chance(0.3)];
  const counted = { targets: targetIds?.length ?? targets.filter((id) => id >= 0).length, scores: scoreRows?.length ?? 0 };
  play.passed = { ...counted, candidates: candidates?.length ?? 0, entropy, mean };
  const options = { keep: r.chance(0.8), adapter: nameFor(play), entropy, mean, temperature: r.pick([1, 1, 0.5, 3]) };
  const more = { ...(r.chance(0.3) && { dropoutKey: r.below(99) }), ...(r.chance(0.2) && { topK: r.pick([0, 1, 5, 48, 49]) }) };
  const { adapter: named, ...rest } = { ...options, ...more };
  return model.forward(bent(made, play), bent({ ...rest, ...(named !== undefined && { adapter: named }) }, play));
}

/** A pass and its way back, not awaited in between. */
function trained(play: Play): unknown {
  return Promise.all([forward(play), backward(play)]);
}

function backward(play: Play): unknown {
  const { r, model, passed } = play;
  const of = (n: number) => numbers(near(n, play), play);
  const gradients = { logprob: of(passed.targets), ...(passed.scores > 0 && { score: of(passed.scores) }) };
  const some = { ...(passed.entropy && { entropy: of(passed.targets) }), ...(passed.mean && { mean: of(passed.targets) }) };
  const ranked = { ...(passed.candidates > 0 && { candidates: of(passed.candidates) }), ...(r.chance(0.2) && { lse: of(passed.targets) }) };
  return model.backward(bent({ ...gradients, ...some, ...ranked }, play));
}

function step(play: Play): unknown {
  const options = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, scale: 1, step: 1 + play.r.below(5) };
  return play.model.step(bent(options, play), setName(play));
}

/** Reads or writes a part of a tensor: its own length, or another. */
function part(play: Play, write: boolean): unknown {
  const { r, model } = play;
  const name = setName(play);
  const all = model.parameters(name);
  const tensor = all[r.below(all.length)] ?? { name: 'nothing', shape: [1] };
  const kind = r.pick(['value', 'gradient', 'first', 'second'] as const);
  if (!write) return model.read(tensor.name, kind, name);
  const n = near(
    tensor.shape.reduce((a, b) => a * b, 1),
    play,
  );
  if (kind === 'second' && !play.wild) return model.write(tensor.name, kind, positive(n, r), name);
  // A first moment beside a second of zero makes a step of m / eps: weights of 1e8 may well overflow a product.
  const values = kind === 'first' && !play.wild ? numbers(n, play).map((x) => x * 1e-9) : numbers(n, play);
  return model.write(tensor.name, kind, values, name);
}

function startGeneration(play: Play): unknown {
  play.generations.push(play.model.startGeneration(count(1 + play.r.below(80), play), nameFor(play)));
  return undefined;
}

function startRollout(play: Play): unknown {
  const { r, network } = play;
  const prompts = Array.from({ length: r.below(4) }, () => ids(r.chance(0.05) ? 0 : r.pick([1, 3, 33, 40]), network.vocabulary, r));
  const counts = { samples: count(1 + r.below(4), play), maxNewTokens: count(1 + r.below(40), play) };
  const drawn = { temperature: r.pick([0, 0.7, 1]), topK: r.pick([0, 5]), topP: r.pick([1, 0.9]), seed: r.below(99) };
  const bounds = { ...(r.chance(0.3) && { mostActive: count(2, play) }), ...(r.chance(0.5) && { ends: ids(2, network.vocabulary, r) }) };
  const { adapter: named, ...rest } = { prompts, ...counts, ...bent(drawn, play), ...bounds, adapter: nameFor(play) };
  play.rollouts.push(play.model.startRollout({ ...rest, ...(named !== undefined && { adapter: named }) }));
  return undefined;
}

function ofGeneration(play: Play): unknown {
  const { r, network } = play;
  const one = play.generations[r.below(play.generations.length)];
  if (!one) return startGeneration(play);
  const draw = { temperature: r.pick([0, 0.7, 1]), topK: r.pick([0, 3]), minP: r.pick([0, 0.1]), unit: r.unit() };
  return r.pick([
    () => one.feed(ids(r.pick([0, 1, 1, 2, 9, 33, 90]), network.vocabulary + (play.wild ? 1 : 0), r)),
    () => one.feed(ids(1, network.vocabulary, r)),
    () => one.sample(bent(draw, play)),
    () => one.logits(),
    () => one.length,
    () => r.chance(0.2) && one.dispose(),
  ])();
}

function ofRollout(play: Play): unknown {
  const { r } = play;
  const one = play.rollouts[r.below(play.rollouts.length)];
  if (!one) return startRollout(play);
  const index = () => count(r.below(9), play);
  return r.pick([
    () => one.advance(count(r.pick([1, 3, 50]), play)),
    () => one.answer(index()),
    () => one.cancel(index(), index()),
    () => one.length,
    () => r.chance(0.2) && one.dispose(),
  ])();
}

/** A method of the model with arguments that nobody would give. */
function nonsense({ r, model, wild }: Play): unknown {
  if (!wild) return model.memory();
  const names = ['setAdapter', 'removeAdapter', 'setHead', 'head', 'forward', 'backward', 'gradientNorm', 'step', 'zeroGradients'] as const;
  const name = r.pick([...names, 'parameters', 'read', 'write', 'logits', 'startGeneration', 'startRollout'] as const);
  return (model[name] as (...args: unknown[]) => unknown)(...Array.from({ length: r.below(4) }, () => r.pick(ODD)));
}

const tokensAndStarts = (play: Play) => [ids(7, play.network.vocabulary, play.r), Int32Array.of(0, 3, near(7, play))] as const;

/** Each kind of call as often as it stands here. */
const CALLS: Call[] = [
  ...[forward, backward, trained, trained, trained, trained, step, ofGeneration, ofGeneration, ofRollout, ofRollout],
  ...[startGeneration, startRollout, nonsense],
  (play) => play.model.setAdapter(adapter(play)),
  (play) => play.model.removeAdapter(setName(play) ?? 'default'),
  (play) => play.model.setHead(numbers(near(play.network.hidden, play), play), setName(play)),
  (play) => play.model.head(setName(play)),
  (play) => play.model.gradientNorm(setName(play)),
  (play) => play.r.chance(0.3) && play.model.zeroGradients(setName(play)),
  (play) => part(play, false),
  (play) => part(play, true),
  (play) => play.model.logits(...tokensAndStarts(play)),
  (play) => play.model.memory(),
  (play) => play.r.chance(0.1) && play.model.dispose(),
];

/** The next call: made at once; what it gives may be a promise. Most sequences begin with adapters, without which much is refused. */
export function nextCall(play: Play, index: number): unknown {
  if (index < 2 && play.r.chance(0.8)) return play.model.setAdapter(adapter(play));
  return play.r.pick(CALLS)(play);
}
