/** Data: from files to packed batches, in the order in which they run. */
export { type Counts, type Dataset, type DatasetOptions, loadDataset, type Warning } from './dataset.js';
export { describeMapped, type FileMapping } from './examples.js';
export { fileHash, sequencesHash } from './hash.js';
export { microBatches, packBatch } from './pack.js';
export { type Cursor, StepPlan, type StepRules } from './plan.js';
export { describeCounts, type Preview, type PreviewRow, previewRows, renderPreview } from './preview.js';
export { Random, type RandomState } from './random.js';
export { ENDINGS, readRows, readSource } from './read.js';
export { holdOut } from './split.js';
export type { ChatMessage, ChatRenderer, Origin, PackedBatch, Row, RowTokenizer, Segment, Tokens } from './types.js';
