/** The generalised Jensen-Shannon divergence of two distributions by their logs, and its derivatives by the second one's probabilities. */

interface Logs {
  log: Float64Array;
}

/** beta 0: Σ p (log p - log q); 1: Σ q (log q - log p); between: with the mixture m = beta p + (1 - beta) q. */
export function divergence(p: Logs, q: Logs, beta: number): number {
  if (beta === 0) return relative(p.log, q.log);
  if (beta === 1) return relative(q.log, p.log);
  const m = mixture(p.log, q.log, beta);
  return beta * relative(p.log, m) + (1 - beta) * relative(q.log, m);
}

/** Derivative by each q_k, the others held fixed. For beta between 0 and 1 the terms through m cancel but for (1 - beta) (log q_k - log m_k). */
export function divergenceSlopes({ log: p }: Logs, { log: q }: Logs, beta: number): Float64Array {
  if (beta === 0) return q.map((log, k) => -Math.exp(p[k]! - log));
  if (beta === 1) return q.map((log, k) => log - p[k]! + 1);
  const m = mixture(p, q, beta);
  return q.map((log, k) => (1 - beta) * (log - m[k]!));
}

/** KL(a ‖ b). */
const relative = (a: Float64Array, b: Float64Array) => a.reduce((sum, log, k) => sum + Math.exp(log) * (log - b[k]!), 0);

function mixture(p: Float64Array, q: Float64Array, beta: number): Float64Array {
  return p.map((log, k) => {
    const [a, b] = [log + Math.log(beta), q[k]! + Math.log1p(-beta)];
    return Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
  });
}
