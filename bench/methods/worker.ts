// attune's side of `npm run bench -- methods`: worker.js FILE WAY.
import { serve } from '../sides/serve.js';
import { methodWorker } from './work.js';

await serve(methodWorker);
