// Draws the rooms and who imports whom, as the source has it: docs/architecture/*.svg. `--check` says whether they are as the source is now.
//
//   node scripts/draw-rooms.mjs [--check]
//
// A room stands above all that it imports; an arrow that follows from others is left out, so that what is left can be read.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { main, root } from './command.mjs';

const [WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN] = [132, 34, 22, 46, 20];

const walk = (folder) =>
  readdirSync(join(root, folder)).flatMap((name) => {
    const path = `${folder}/${name}`;
    return statSync(join(root, path)).isDirectory() ? walk(path) : [path];
  });

/** Paths that a TypeScript file imports, from the root of the project. */
function imported(path, text) {
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?'(\.[^']*)'/g)].map(([, specifier]) => specifier);
  return specifiers.map((specifier) => posix.join(posix.dirname(path), specifier));
}

const included = (_path, text) => [...text.matchAll(/^#include "([^"]+)"/gm)].map(([, path]) => `native/${path}`);

/** Rooms of some files with those that each imports. `roomOf` gives a path's room, or undefined where it is not drawn. */
function graph(folder, suffixes, edgesOf, roomOf) {
  const edges = new Map();
  for (const path of walk(folder).filter((one) => suffixes.some((suffix) => one.endsWith(suffix)))) {
    const from = roomOf(path);
    if (from === undefined) continue;
    if (!edges.has(from)) edges.set(from, new Set());
    for (const target of edgesOf(path, readFileSync(join(root, path), 'utf8'))) {
      const to = roomOf(target);
      if (to !== undefined && to !== from) edges.get(from).add(to);
    }
  }
  return edges;
}

/** Longest way down from a room. */
function depths(edges) {
  const known = new Map();
  const depth = (room, trail = []) => {
    if (trail.includes(room)) throw new Error(`rooms in a circle: ${[...trail, room].join(' → ')}`);
    if (!known.has(room)) known.set(room, Math.max(-1, ...[...(edges.get(room) ?? [])].map((to) => depth(to, [...trail, room]))) + 1);
    return known.get(room);
  };
  for (const room of edges.keys()) depth(room);
  return known;
}

/** Edges that no other way says. */
function reduced(edges) {
  const reaches = (from, to, first) =>
    [...(edges.get(from) ?? [])].some((next) => !(first && next === to) && (next === to || reaches(next, to, false)));
  return [...edges].flatMap(([from, all]) => [...all].filter((to) => !reaches(from, to, true)).map((to) => [from, to]));
}

/** Places of the rooms, a row for each depth, those of a row beside what they import. */
function places(edges) {
  const depth = depths(edges);
  const most = Math.max(...depth.values());
  const at = new Map();
  let widest = 0;
  for (let row = 0; row <= most; row++) {
    const rooms = [...depth].flatMap(([room, own]) => (own === row ? [room] : []));
    const centre = (room) => {
      const below = [...(edges.get(room) ?? [])].map((to) => at.get(to).x);
      return below.length === 0 ? 0 : below.reduce((a, b) => a + b, 0) / below.length;
    };
    rooms.sort((a, b) => centre(a) - centre(b) || a.localeCompare(b));
    widest = Math.max(widest, rooms.length);
    for (const [n, room] of rooms.entries()) at.set(room, { x: (n - (rooms.length - 1) / 2) * (WIDTH + GAP_X), row });
  }
  const [width, height] = [widest * (WIDTH + GAP_X) - GAP_X + 2 * MARGIN, (most + 1) * (HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN];
  const placed = [...at].map(([room, { x, row }]) => [room, { x: width / 2 + x, y: MARGIN + (most - row) * (HEIGHT + GAP_Y) }]);
  return { at: new Map(placed), width, height };
}

function drawing(title, edges) {
  const { at, width, height } = places(edges);
  const lines = reduced(edges).map(([from, to]) => {
    const [a, b] = [at.get(from), at.get(to)];
    const [y1, y2] = [a.y + HEIGHT, b.y];
    const bend = (y2 - y1) / 2;
    return `<path d="M ${a.x} ${y1} C ${a.x} ${y1 + bend}, ${b.x} ${y2 - bend}, ${b.x} ${y2 - 3}" class="edge" marker-end="url(#tip)"/>`;
  });
  const boxes = [...at].map(
    ([room, { x, y }]) =>
      `<rect x="${x - WIDTH / 2}" y="${y}" width="${WIDTH}" height="${HEIGHT}" rx="6" class="room"/><text x="${x}" y="${y + HEIGHT / 2 + 4}" class="name">${label(room)}</text>`,
  );
  const style =
    '.room{fill:#f4f1ea;stroke:#5b6470}.edge{fill:none;stroke:#5b6470;stroke-width:1.1}.name{font:13px sans-serif;text-anchor:middle;fill:#1d2730}';
  const tip =
    '<marker id="tip" markerWidth="7" markerHeight="7" refX="5" refY="3" orient="auto"><path d="M0 0 L6 3 L0 6 z" fill="#5b6470"/></marker>';
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
<title>${title}</title>
<style>${style}</style>
<rect width="100%" height="100%" fill="#fff"/>
<defs>${tip}</defs>
${lines.join('\n')}
${boxes.join('\n')}
</svg>
`;
}

/** `transformer/cpu` → `cpu engine`, and what chooses among the engines. */
function label(room) {
  if (room === 'transformer') return 'engine.cpp';
  const inner = room.match(/^transformer\/(.+)$/)?.[1];
  return inner === 'cpu' || inner === 'plain' ? `${inner} engine` : (inner ?? room);
}

const libRoom = (path) => path.match(/^lib\/([^/.]+)/)?.[1];
const innerRoom = (outer) => (path) => path.match(new RegExp(`^lib/${outer}/([^/.]+)/`))?.[1];
/** `transformer/engine.h` is a room by itself: the surface of a device. */
const nativeRoom = (path) => path.match(/^native\/(transformer\/(?:engine\.h|[^/.]+(?=\/))|[^/.]+(?=\/))/)?.[1];

const PICTURES = {
  lib: () => drawing('Rooms of lib, and what each imports', graph('lib', ['.ts'], imported, libRoom)),
  native: () => drawing('Rooms of native, and what each includes', graph('native', ['.h', '.cpp'], included, nativeRoom)),
  data: () => drawing('Rooms of lib/data', graph('lib/data', ['.ts'], imported, innerRoom('data'))),
  training: () => drawing('Rooms of lib/training', graph('lib/training', ['.ts'], imported, innerRoom('training'))),
};

await main(import.meta.url, async () => {
  const isCheck = process.argv.includes('--check');
  const stale = Object.entries(PICTURES).flatMap(([name, draw]) => {
    const path = join(root, 'docs/architecture', `${name}.svg`);
    const drawn = draw();
    if (existsSync(path) && readFileSync(path, 'utf8') === drawn) return [];
    if (!isCheck) writeFileSync(path, drawn);
    return [path];
  });
  for (const path of stale) process.stderr.write(`attune: ${isCheck ? 'not as the source is: ' : 'drew '}${path}\n`);
  if (isCheck && stale.length > 0) process.stderr.write('attune: run: node scripts/draw-rooms.mjs\n');
  return isCheck && stale.length > 0 ? 1 : 0;
});
