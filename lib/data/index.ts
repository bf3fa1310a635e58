/** Data: from files to packed batches, in the order in which they run. */
export type { BatchColumns, BatchSteps, PackedBatch } from './batch.js';
export type { FileMapping } from './bundle.js';
export { columnsOf, type Packable, type PackRules } from './columns.js';
export type { Counts, Dataset, DatasetOptions, RowChecks, Warning } from './dataset.js';
export { describeMapped } from './examples.js';
export { sequencesHash } from './hash.js';
export { type Accepts, acceptedRows, type Kind } from './kinds.js';
export { loadDataset } from './load.js';
export { mismatchedRows } from './mismatched.js';
export { drawn } from './order.js';
export { microBatches, packBatch, sharedMicroBatches } from './pack.js';
export { largestSharedUnit, packShared, type SharedBatch, sharedTokensOf } from './pack_shared.js';
export { type Cursor, StepPlan, type StepRules } from './plan.js';
export { describeCounts, type Preview, type PreviewRow, previewRows, renderPreview } from './preview.js';
export { Random, type RandomState } from './random.js';
export { holdOut } from './split.js';
export type { ChatMessage, ChatRenderer, JudgedSteps, Origin, Row, RowTokenizer, Segment, Tokens, Unit, UnitKind } from './types.js';
export { largestUnit, unitStarts } from './units.js';
