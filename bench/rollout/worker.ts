// attune's side of `npm run bench -- rollout`: worker.js FILE.
import { serve } from '../sides/serve.js';
import { rolloutWorker } from './work.js';

await serve(rolloutWorker);
