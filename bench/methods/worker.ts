// attune's side of `npm run bench -- methods`: worker.js FILE WAY, a JSON file of work and tensors, and the way as JSON.
import { readFileSync } from 'node:fs';
import { serve } from '../sides/serve.js';
import { methodWorker } from './work.js';

const { work, tensors } = JSON.parse(readFileSync(process.argv[2]!, 'utf8'));
await serve(await methodWorker(work, tensors, JSON.parse(process.argv[3]!)));
