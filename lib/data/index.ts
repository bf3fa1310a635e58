/** Data: from files to packed batches, in the order in which they run. */
export { type BatchColumns, type BatchSteps, columnsOf, type Packable, type PackRules } from './columns.js';
export { type Counts, type Dataset, type DatasetOptions, loadDataset, type RowChecks, type Warning } from './dataset.js';
export { describeMapped, type FileMapping } from './examples.js';
export { fileHash, sequencesHash } from './hash.js';
export { type Accepts, acceptedRows, KINDS, type Kind } from './kinds.js';
export { mismatchedRows } from './mismatched.js';
export { microBatches, packBatch, sharedMicroBatches } from './pack.js';
export { largestSharedUnit, packShared, type SharedBatch, sharedLength } from './pack_shared.js';
export { type Cursor, StepPlan, type StepRules } from './plan.js';
export { describeCounts, type Preview, type PreviewRow, previewRows, renderPreview } from './preview.js';
export { Random, type RandomState } from './random.js';
export { ENDINGS, readRows, readSource } from './read.js';
export { holdOut } from './split.js';
export type { ChatMessage, ChatRenderer, Origin, PackedBatch, Row, RowTokenizer, Segment, Tokens } from './types.js';
export { type JudgedSteps, largestUnit, rankedPairs, type Unit, type UnitKind, unitStarts } from './units.js';
