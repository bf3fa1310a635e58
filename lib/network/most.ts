/** Largest sizes of a network that the native side takes. No real one reaches them; config.json is held to them before anything is sized by it. */
export const MOST = { layers: 4096, heads: 4096, headSize: 256, width: 2 ** 20, tokens: 2 ** 26 } as const;
