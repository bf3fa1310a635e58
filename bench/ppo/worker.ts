// One side of `npm run bench -- ppo`: worker.js FILE ROLES, a JSON file of work and tensors, and the roles as JSON.
import { readFileSync } from 'node:fs';
import { serve } from '../sides/serve.js';
import { ppoWorker } from './work.js';

const { work, tensors } = JSON.parse(readFileSync(process.argv[2]!, 'utf8'));
await serve(await ppoWorker(work, tensors, JSON.parse(process.argv[3]!)));
