/** What `bin/attune.js` loads: runs the command line of this process. */
import { runProgram } from './program.js';

process.exitCode = await runProgram(process.argv.slice(2));
