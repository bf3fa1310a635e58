// Set-up, build, all tests. Ends with one line: `N passed, N failed` (and `, N skipped` where some were).
//
//   npm test [-- FILTER… vitest options]        npm test -- kernels/matmul -t "empty"
//   npm test -- --slow                          test/**/*.slow.test.ts instead: minutes, not seconds
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './build.mjs';
import { main, nodeModule, run, ScriptError } from './command.mjs';

async function test(args) {
  const slow = args.includes('--slow');
  await build();
  return vitest(
    args.filter((arg) => arg !== '--slow'),
    { ATTUNE_TEST_SLOW: slow ? '1' : '' },
  );
}

/** Runs vitest with these filters and options and this environment. -> what passed and failed */
export async function vitest(args, env) {
  const scratch = mkdtempSync(join(tmpdir(), 'attune-test-'));
  try {
    const report = join(scratch, 'report.json');
    const program = [nodeModule('vitest/vitest.mjs'), 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const status = run(process.execPath, [...program, ...args], { stdout: 'inherit', allowFailure: true, env });
    return count(report, status);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Numbers from vitest's own report; what it does not count as a test (a file that cannot be loaded, a stray rejection) counts as one failure. */
function count(report, status) {
  let results;
  try {
    results = JSON.parse(readFileSync(report, 'utf8'));
  } catch (cause) {
    throw new ScriptError(`vitest left no report (status ${status}): ${cause.message}`);
  }
  const broken = results.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((t) => t.status !== 'failed'),
  );
  for (const file of broken) process.stderr.write(`attune: ${file.name} did not run: ${file.message}\n`);
  const counts = {
    passed: results.numPassedTests,
    failed: results.numFailedTests + broken.length,
    skipped: results.numPendingTests + results.numTodoTests,
  };
  if (counts.passed + counts.failed === 0) process.stderr.write('attune: no test ran\n');
  else if (status !== 0) counts.failed = Math.max(1, counts.failed);
  return counts;
}

export const closingLine = ({ passed, failed, skipped = 0 }) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`;

await main(import.meta.url, async (args) => {
  let counts = { passed: 0, failed: 1 };
  try {
    counts = await test(args);
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    process.stderr.write(`attune: ${error.message}\n`);
  }
  process.stdout.write(closingLine(counts));
  return counts.failed > 0 || counts.passed === 0 ? 1 : 0;
});
