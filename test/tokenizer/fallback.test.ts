import { afterAll, expect, it, vi } from 'vitest';
import { openTokenizer } from '../../lib/tokenizer/index.js';
import { byteLevel, CONFIG, folderOf, removeFolders } from './fixtures.js';

vi.mock('tokenizers', () => {
  throw new Error('no binary for this machine\nand more of no interest');
});

afterAll(removeFolders);

it('the JavaScript engine runs where the native one does not load, and says why', async () => {
  const folder = folderOf({ 'tokenizer.json': await byteLevel(), 'tokenizer_config.json': CONFIG });
  const tokenizer = await openTokenizer(folder);
  expect(tokenizer.engine.name).toBe('javascript');
  expect(tokenizer.engine.reason).toMatch(/^the package tokenizers does not load: \S.*$/);
  expect(tokenizer.decode(await tokenizer.encode('The cell'))).toBe('The cell');
  await expect(openTokenizer(folder, { engine: 'native' })).rejects.toMatchObject({ code: 'no_native_tokenizers', kind: 'request' });
});
