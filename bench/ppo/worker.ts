// One side of `npm run bench -- ppo`: worker.js FILE ROLES.
import { serve } from '../sides/serve.js';
import { ppoWorker } from './work.js';

await serve(ppoWorker);
