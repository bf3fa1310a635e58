/** The logistic function and its log, exact for large |x|. */

/** 1 / (1 + e^-x). */
export const sigmoid = (x: number) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

/** log σ(x) = -log(1 + e^-x); its derivative is σ(-x). */
export const logSigmoid = (x: number) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));

/** log(1 - e^x) for x < 0, exact near 0 and far from it (Mächler 2012); its derivative is -1 / (e^-x - 1). */
export const log1mExp = (x: number) => (x < -Math.LN2 ? Math.log1p(-Math.exp(x)) : Math.log(-Math.expm1(x)));
