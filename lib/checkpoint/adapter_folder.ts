/** The files of a PEFT folder. */
import { join } from 'node:path';
import { exists } from './files.js';

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';

/** Whether a folder holds an adapter; else it is a whole model's, or nothing. */
export const isAdapterFolder = (folder: string): Promise<boolean> => exists(join(folder, ADAPTER_CONFIG));
