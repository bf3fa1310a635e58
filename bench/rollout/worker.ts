// attune's side of `npm run bench -- rollout`: worker.js FILE, a JSON file of work and tensors.
import { readFileSync } from 'node:fs';
import { serve } from '../sides/serve.js';
import { rolloutWorker } from './work.js';

const { work, tensors } = JSON.parse(readFileSync(process.argv[2]!, 'utf8'));
await serve(await rolloutWorker(work, tensors));
