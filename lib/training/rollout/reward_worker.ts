/** The thread of a reward function: it loads the module once, then answers a list of rows with a list of rewards. */

/** What the thread says: once what the module exports, then an answer for every list of rows. */
export type WorkerAnswer =
  | { exports: string[]; type: string }
  | { values: unknown[] }
  /** Words for something that is no list. */
  | { got: string }
  /** Words for what was thrown. */
  | { thrown: string };

/**
 * Its source, as text: compiled or not, a program is then started in the same way. Values that are no numbers come back as words in quotes, since not
 * everything can be sent from thread to thread.
 */
export const REWARD_WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { inspect } = require('node:util');
  const shown = (value) => inspect(value, { depth: 1, breakLength: Infinity }).slice(0, 60);
  const thrown = (error) => (error instanceof Error ? error.name + ': ' + error.message : shown(error));
  const answer = (value) => {
    const list = ArrayBuffer.isView(value) && !(value instanceof DataView) ? Array.from(value) : value;
    if (!Array.isArray(list)) return { got: shown(value) };
    return { values: Array.from(list, (one) => (typeof one === 'number' ? one : shown(one))) };
  };
  import(workerData.url).then(
    (module) => {
      const judge = module[workerData.name];
      parentPort.on('message', async (rows) => {
        try {
          parentPort.postMessage(answer(await judge(rows)));
        } catch (error) {
          parentPort.postMessage({ thrown: thrown(error) });
        }
      });
      parentPort.postMessage({ exports: Object.keys(module), type: typeof judge });
    },
    (error) => parentPort.postMessage({ thrown: thrown(error) }),
  );`;
