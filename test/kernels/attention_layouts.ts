/** Ways to lay out several texts in one sequence: who hides which keys, and at which positions tokens stand. */
import { random } from './harness.js';

export interface Layout {
  positions: number[];
  hiddenFrom: number[];
  hiddenTo: number[];
}

/** A beginning and branches of the given lengths, as many of them as a sequence of n tokens has room for; the last takes the rest. */
export const branches = (shared: number, ...lengths: number[]) =>
  function layout(n: number): Layout {
    const [positions, hiddenFrom, hiddenTo]: [number[], number[], number[]] = [[], [], []];
    const ends = lengths.map((_, b) => lengths.slice(0, b + 1).reduce((a, x) => a + x, shared));
    for (let i = 0; i < n; i++) {
      const start = [shared, ...ends].filter((end) => end <= i).at(-1) ?? 0;
      positions.push(i < shared ? i : shared + i - start);
      hiddenFrom.push(i < shared ? 0 : shared);
      hiddenTo.push(i < shared ? 0 : start);
    }
    return { positions, hiddenFrom, hiddenTo };
  };

/** Contents in some order, then queries at the places of the later ones, each of which sees the contents before its own, and itself. */
export function permutation(n: number): Layout {
  const queries = Math.floor(n / 3);
  const contents = n - queries;
  const place = (z: number) => (z * 7 + 3) % contents;
  const all = Array.from({ length: n }, (_, i) => (i < contents ? i : i - queries));
  return {
    positions: all.map(place),
    hiddenFrom: all.map((z, i) => (i < contents ? 0 : z)),
    hiddenTo: all.map((_, i) => (i < contents ? 0 : i)),
  };
}

/** Nothing new: empty intervals, anywhere. */
export const none = (n: number): Layout => ({
  positions: Array.from({ length: n }, (_, i) => i),
  hiddenFrom: Array.from({ length: n }, (_, i) => (i * 5) % n),
  hiddenTo: Array.from({ length: n }, (_, i) => (i * 5) % n),
});

/** Anything: every other query hides some stretch that is not itself, of any size. */
export function scattered(n: number): Layout {
  const next = random(5);
  const below = (m: number) => Math.floor(next() * m);
  const hides = Array.from({ length: n }, (_, i) => {
    if (i % 2 === 0) return [0, 0];
    const from = below(i);
    return below(3) > 0 ? [from, from + below(i - from + 1)] : [i + 1, n];
  });
  return {
    positions: Array.from({ length: n }, () => below(n)),
    hiddenFrom: hides.map(([from = 0]) => from),
    hiddenTo: hides.map(([, to = 0]) => to),
  };
}

/** The layouts of all sequences, counted in tokens of the batch. */
export function laidOut({ lengths, layout }: { lengths: number[]; layout?: (n: number) => Layout }) {
  if (!layout) return {};
  const all = { positions: [] as number[], hiddenFrom: [] as number[], hiddenTo: [] as number[] };
  for (const n of lengths) {
    const first = all.positions.length;
    const one = layout(n);
    all.positions.push(...one.positions);
    all.hiddenFrom.push(...one.hiddenFrom.map((x) => x + first));
    all.hiddenTo.push(...one.hiddenTo.map((x) => x + first));
  }
  return {
    positions: Int32Array.from(all.positions),
    hiddenFrom: Int32Array.from(all.hiddenFrom),
    hiddenTo: Int32Array.from(all.hiddenTo),
  };
}
