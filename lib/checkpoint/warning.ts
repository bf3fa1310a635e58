/** What is worth telling of a checkpoint that is opened all the same. `message` names the file. */
export interface CheckpointWarning {
  code: string;
  message: string;
}
