/** Attention in plain double loops, forward and backward, written from the formulas alone: what the kernels are compared with. */

export interface Problem {
  lengths: number[];
  heads: number;
  kvHeads: number;
  headSize: number;
  causal: boolean;
  window: number;
  softcap: number;
  scale: number;
  q: ArrayLike<number>;
  k: ArrayLike<number>;
  v: ArrayLike<number>;
  dout: ArrayLike<number>;
  /** (N, d/2), or absent. */
  cos?: ArrayLike<number>;
  sin?: ArrayLike<number>;
  /** (N) each, or absent: places, and nothing hidden. */
  positions?: ArrayLike<number>;
  hiddenFrom?: ArrayLike<number>;
  hiddenTo?: ArrayLike<number>;
}

/** Does query i see key j, tokens of one sequence that begins at `first`? */
function sees(p: Problem, first: number, i: number, j: number): boolean {
  const place = (n: number) => (p.positions ? at(p.positions, first + n) : n);
  const hides = p.hiddenFrom && p.hiddenTo && at(p.hiddenFrom, first + i) <= first + j && first + j < at(p.hiddenTo, first + i);
  return !hides && (!p.causal || j <= i) && (!p.window || place(i) - place(j) < p.window);
}

export interface Answer {
  out: Float64Array;
  lse: Float64Array;
  dq: Float64Array;
  dk: Float64Array;
  dv: Float64Array;
}

/** Where a plain implementation in a lower precision rounds: what it stores, and what it sums. Nowhere for the exact answer. */
export interface Rounding {
  stored: (x: number) => number;
  summed: (x: number) => number;
}
const none: Rounding = { stored: (x) => x, summed: (x) => x };

const at = (x: ArrayLike<number>, i: number) => x[i] ?? 0;

/** Head h of token t, rotated where `p` says so; `back` is the transpose. */
function rotated(p: Problem, x: ArrayLike<number>, t: number, from: number, back = false): Float64Array {
  const d = p.headSize;
  const row = Float64Array.from({ length: d }, (_, i) => at(x, from + i));
  if (!p.cos || !p.sin) return row;
  for (let i = 0; i < d / 2; i++) {
    const [c, s] = [at(p.cos, (t * d) / 2 + i), at(p.sin, (t * d) / 2 + i) * (back ? -1 : 1)];
    const [a, b] = [at(row, i), at(row, i + d / 2)];
    row[i] = a * c - b * s;
    row[i + d / 2] = b * c + a * s;
  }
  return row;
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
};
const addTo = (sum: Float64Array, x: ArrayLike<number>, factor: number) => {
  for (let i = 0; i < x.length; i++) sum[i] = (sum[i] as number) + factor * (x[i] as number);
};

function oneHead(p: Problem, first: number, n: number, h: number, { stored, summed }: Rounding, answer: Answer): void {
  const { headSize: d, heads, kvHeads } = p;
  const g = Math.floor(h / (heads / kvHeads));
  const place = (i: number, head: number, count: number) => ((first + i) * count + head) * d;
  const rows = (x: ArrayLike<number>, head: number, count: number, turn: boolean) =>
    Array.from({ length: n }, (_, i) =>
      turn ? rotated(p, x, first + i, place(i, head, count)).map(stored) : rowOf(x, place(i, head, count), d),
    );
  const [q, k] = [rows(p.q, h, heads, true), rows(p.k, g, kvHeads, true)];
  const [v, go] = [rows(p.v, g, kvHeads, false), rows(p.dout, h, heads, false)];
  const [dq, dk, dv] = [zeros(n, d), zeros(n, d), zeros(n, d)];
  const tokens = answer.lse.length / heads;
  for (let i = 0; i < n; i++) {
    const seen = [];
    for (let j = 0; j < n; j++) if (sees(p, first, i, j)) seen.push(j);
    const caps = seen.map((j) => (p.softcap ? Math.tanh((summed(dot(q[i]!, k[j]!)) * p.scale) / p.softcap) : 0));
    const scores = seen.map((j, x) => (p.softcap ? p.softcap * caps[x]! : summed(summed(dot(q[i]!, k[j]!)) * p.scale)));
    const top = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const total = scores.reduce((sum, s) => sum + Math.exp(s - top), 0);
    const out = new Float64Array(d);
    const weight = scores.map((s) => Math.exp(s - top) / total);
    seen.forEach((j, x) => {
      addTo(out, v[j]!, stored(weight[x]!));
    });
    answer.out.set(out.map(stored), place(i, h, heads));
    answer.lse[h * tokens + first + i] = top + Math.log(total);
    const delta = summed(dot(go[i]!, out.map(stored)));
    seen.forEach((j, x) => {
      const ds = stored(weight[x]! * (summed(dot(go[i]!, v[j]!)) - delta) * (1 - caps[x]! ** 2)) * p.scale;
      addTo(dq[i]!, k[j]!, ds);
      addTo(dk[j]!, q[i]!, ds);
      addTo(dv[j]!, go[i]!, stored(weight[x]!));
    });
  }
  for (let i = 0; i < n; i++) {
    answer.dq.set(rotated(p, dq[i]!, first + i, 0, true), place(i, h, heads));
    addTo(answer.dk.subarray(place(i, g, kvHeads)), rotated(p, dk[i]!, first + i, 0, true), 1);
    addTo(answer.dv.subarray(place(i, g, kvHeads)), dv[i]!, 1);
  }
}

const zeros = (n: number, d: number) => Array.from({ length: n }, () => new Float64Array(d));
const rowOf = (x: ArrayLike<number>, from: number, d: number) => Float64Array.from({ length: d }, (_, i) => at(x, from + i));

export function attentionInDouble(p: Problem, rounding = none): Answer {
  const tokens = p.lengths.reduce((a, b) => a + b, 0);
  const sizes = { q: tokens * p.heads * p.headSize, k: tokens * p.kvHeads * p.headSize };
  const answer: Answer = {
    out: new Float64Array(sizes.q),
    lse: new Float64Array(tokens * p.heads),
    dq: new Float64Array(sizes.q),
    dk: new Float64Array(sizes.k),
    dv: new Float64Array(sizes.k),
  };
  let first = 0;
  for (const n of p.lengths) {
    for (let h = 0; h < p.heads; h++) oneHead(p, first, n, h, rounding, answer);
    first += n;
  }
  for (const name of ['out', 'dq', 'dk', 'dv'] as const) answer[name] = answer[name].map(rounding.stored);
  return answer;
}
