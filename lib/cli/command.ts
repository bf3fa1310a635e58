/** What a command of `attune` is made of. A command has no logic of its own: it reads options and calls the library. */

import type { Progress } from './progress.js';

/** A value that follows its option, or none for a flag. */
export interface Option {
  describe: string;
  /** Word for the value in help: `DIR`, `N`. Leave out for a flag. */
  value?: string;
  kind?: 'text' | 'whole' | 'number' | 'threads';
  /** Least and largest value of a number. */
  least?: number;
  most?: number;
  choices?: readonly string[];
  required?: boolean;
  /** May be given several times. */
  many?: boolean;
}

/** Values of options by name; a flag is true or missing, an option with `many` is a list. */
export type Values = Record<string, string | number | boolean | string[] | undefined>;

/** What a command talks through. */
export interface Context {
  /** `--json`: one object, or one event a line, on standard output, and nothing else. */
  json: boolean;
  /** Writes a line to standard output. */
  print(line: string): void;
  /** Writes text to standard output as it is. */
  write(text: string): void;
  /** Writes a line to standard error. */
  note(line: string): void;
  /** Tells on standard error what is worth knowing of files that are opened all the same. */
  warn(warning: { message: string }): void;
  /** Shows how far the work is, on standard error. */
  progress: Progress;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
}

export interface Command {
  name: string;
  summary: string;
  /** A word that must follow the command. */
  positional?: { name: string; describe: string };
  options: Record<string, Option>;
  /** Command lines with what they do. */
  examples: readonly (readonly [string, string])[];
  /** What `--help` tells beside options and examples. */
  more?(): Promise<string>;
  run(values: Values, context: Context): Promise<void>;
}

/** Options that several commands share. */
export const MODEL: Option = { value: 'DIR', describe: 'Hugging Face folder, or hub id owner/name[@revision]', required: true };
export const ADAPTER: Option = { value: 'DIR', describe: 'PEFT adapter folder' };
export const DTYPE: Option = { value: 'TYPE', describe: 'arithmetic', choices: ['bf16', 'f32'] };
export const THREADS: Option = { value: 'N', describe: 'CPU threads, or auto; the result is the same for every number', kind: 'threads' };
