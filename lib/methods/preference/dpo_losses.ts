/**
 * The losses of a pair for `dpo`, each with its derivatives. Symbols: u_w, u_l what stands for the chosen and the rejected answer; x = β (u_w - u_l);
 * ε label smoothing. Losses of scores take u = s (the log-ratio bent by the divergence), the others u = c, r (the log-ratios themselves).
 */
import { DPO_SCORE_LOSSES, type DpoLoss, type DpoOptions } from './dpo_options.js';
import { logSigmoid, sigmoid } from './logistic.js';
import type { PairLoss } from './pairs.js';

export type { DpoOptions };

/** One pair: for each side its score or log-ratio and its number of tokens. */
export interface DpoPair {
  chosen: number;
  rejected: number;
  chosenLength: number;
  rejectedLength: number;
  /** log π(y_w) - log π(y_l), and the reference's gap of the same place in the order of the step (aot). */
  gap: number;
  matchedGap: number;
  /** The rejected log-ratio of the same place as the chosen one, and the other way round (aotUnpaired). */
  matchedRejected: number;
  matchedChosen: number;
}

/** Every loss but `sft`, which is none of a pair. */
export type PairLossName = Exclude<DpoLoss, 'sft'>;
type Loss = (pair: DpoPair, options: DpoOptions) => PairLoss;

/** Whether a loss reads scores, which the divergence bends. */
export const readsScores = (kind: DpoLoss) => (DPO_SCORE_LOSSES as readonly DpoLoss[]).includes(kind);

/** -(1 - ε) log σ(x) - ε log σ(-x), and its derivative: conservative DPO. */
export function smoothed(x: number, e: number): [loss: number, slope: number] {
  return [-(1 - e) * logSigmoid(x) - e * logSigmoid(-x), e * sigmoid(x) - (1 - e) * sigmoid(-x)];
}

/** A loss of x = β (u_w - u_l). */
const ofMargin =
  (f: (x: number, options: DpoOptions) => readonly [loss: number, slope: number]): Loss =>
  ({ chosen, rejected }, options) => {
    const [loss, slope] = f(options.beta * (chosen - rejected), options);
    return [loss, options.beta * slope, -options.beta * slope];
  };

/** A loss of the difference of means a token, d = u_w / |y_w| - u_l / |y_l|. */
const ofMeans =
  (f: (d: number, beta: number) => readonly [loss: number, slope: number]): Loss =>
  ({ chosen, rejected, chosenLength, rejectedLength }, { beta }) => {
    const [loss, slope] = f(chosen / chosenLength - rejected / rejectedLength, beta);
    return [loss, slope / chosenLength, -slope / rejectedLength];
  };

export const DPO_PAIR_LOSSES: Record<PairLossName, Loss> = {
  // DPO (Rafailov et al. 2023) and cDPO (Mitchell 2023): -(1 - ε) log σ(x) - ε log σ(-x).
  sigmoid: ofMargin((x, { labelSmoothing }) => smoothed(x, labelSmoothing)),
  // SLiC-HF (Zhao et al. 2023): max(0, 1 - x).
  hinge: ofMargin((x) => (x < 1 ? [1 - x, -1] : [0, 0])),
  // IPO (Azar et al. 2023), in means a token as its authors report it: (d - 1 / (2 β))².
  ipo: ofMeans((d, beta) => [(d - 0.5 / beta) ** 2, 2 * (d - 0.5 / beta)]),
  // EXO (Ji et al. 2024): KL of (σ(x), σ(-x)) from (1 - ε, ε).
  exo: ofMargin((x, { labelSmoothing: e }) => {
    const [win, lose] = [sigmoid(x), sigmoid(-x)];
    const loss = win * (logSigmoid(x) - Math.log1p(-e)) + lose * (logSigmoid(-x) - Math.log(e));
    return [loss, win * lose * (x - Math.log1p(-e) + Math.log(e))];
  }),
  // Robust DPO (Chowdhury et al. 2024): [-(1 - ε) log σ(x) + ε log σ(-x)] / (1 - 2 ε).
  robust: ofMargin((x, { labelSmoothing: e }) => {
    const scale = 1 - 2 * e;
    return [(-(1 - e) * logSigmoid(x) + e * logSigmoid(-x)) / scale, (-(1 - e) * sigmoid(-x) - e * sigmoid(x)) / scale];
  }),
  // DiscoPOP (Lu et al. 2024): -(1 - m) log σ(x) + m e^-x with m = σ(x / τ).
  discopop: ofMargin((x, { discopopTau: tau }) => {
    const m = sigmoid(x / tau);
    const [turn, decay] = [(m * (1 - m)) / tau, Math.exp(-x)];
    return [-(1 - m) * logSigmoid(x) + m * decay, -(1 - m) * sigmoid(-x) - m * decay + turn * (logSigmoid(x) + decay)];
  }),
  // Length-normalised DPO (Meng et al. 2024, Tülu 3): -log σ(β d).
  sigmoidNorm: ofMeans((d, beta) => [-logSigmoid(beta * d), -beta * sigmoid(-beta * d)]),
  // NCA (Chen et al. 2024): -log σ(β c) - ½ log σ(-β c) - ½ log σ(-β r).
  nca: ({ chosen: c, rejected: r }, { beta: b }) => [
    -logSigmoid(b * c) - 0.5 * logSigmoid(-b * c) - 0.5 * logSigmoid(-b * r),
    b * (0.5 * sigmoid(b * c) - sigmoid(-b * c)),
    b * 0.5 * sigmoid(b * r),
  ],
  // BCO (Jung et al. 2024), without its running shift: -log σ(β c) - log σ(-β r).
  bco: ({ chosen: c, rejected: r }, { beta: b }) => [-logSigmoid(b * c) - logSigmoid(-b * r), -b * sigmoid(-b * c), b * sigmoid(b * r)],
  // SPPO (Wu et al. 2024), hard labels: (c - 1 / (2 β))² + (r + 1 / (2 β))².
  sppo: ({ chosen: c, rejected: r }, { beta: b }) => [(c - 0.5 / b) ** 2 + (r + 0.5 / b) ** 2, 2 * (c - 0.5 / b), 2 * (r + 0.5 / b)],
  // AOT (Melnyk et al. 2024), paired: the gaps of the step and those of the reference, each in rising order, are compared place by place.
  aot: ({ gap, matchedGap }, { beta, labelSmoothing }) => {
    const [loss, slope] = smoothed(beta * (gap - matchedGap), labelSmoothing);
    return [loss, beta * slope, -beta * slope];
  },
  // AOT, unpaired: chosen against rejected log-ratios of the same place. Each side has its partner elsewhere; the loss is counted at the chosen.
  aotUnpaired: ({ chosen, rejected, matchedRejected, matchedChosen }, { beta, labelSmoothing }) => {
    const [loss, slope] = smoothed(beta * (chosen - matchedRejected), labelSmoothing);
    const [, rejectedSlope] = smoothed(beta * (matchedChosen - rejected), labelSmoothing);
    return [loss, beta * slope, -beta * rejectedSlope];
  },
  // APO (D'Oosterlinck et al. 2024), zero: 1 - σ(β c) + σ(β r).
  apoZero: ({ chosen: c, rejected: r }, { beta: b }) => [sigmoid(-b * c) + sigmoid(b * r), -b * bell(b * c), b * bell(b * r)],
  // APO, down: σ(β c) + 1 - σ(β (c - r)).
  apoDown: ({ chosen: c, rejected: r }, { beta: b }) => {
    const away = b * bell(b * (c - r));
    return [sigmoid(b * c) + sigmoid(-b * (c - r)), b * bell(b * c) - away, away];
  },
};

/** σ'(x) = σ(x) σ(-x). */
const bell = (x: number) => sigmoid(x) * sigmoid(-x);
