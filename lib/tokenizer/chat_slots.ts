/** Texts of assistant messages, whose places in a rendering are looked for. */

/** One text of an assistant message. */
export interface Slot {
  message: number;
  /** Part of the content, where it is a list. */
  part: number | undefined;
  text: string;
}

/** A stretch of a slot's text, [from, to), and where it was found in the rendering; `at` is undefined where it was left out. */
export interface Block {
  from: number;
  to: number;
  at?: { start: number; end: number };
}

/** A slot whose stretches are to be found. */
export interface Job {
  slot: Slot;
  blocks: Block[];
}

/** Renders with marks around blocks; undefined where the marks change the text, or come out in disorder. */
export type Find = (jobs: Job[]) => Job[] | undefined;
