/**
 * The program that reads a Parquet file, in a process of its own. The library trusts the counts of a file: one of a few hundred bytes can keep it
 * busy for ever, or fill a list until V8 ends the whole process, which no thread is safe from. A process can be ended, or end, by itself.
 */

/** A column, or a part of one, with its annotations as the file has them. */
export interface ParquetNode {
  children: ParquetNode[];
  element: {
    name: string;
    type?: string;
    repetition_type?: string;
    converted_type?: string;
    scale?: number;
    logical_type?: { type: string; unit?: string; isAdjustedToUTC?: boolean };
  };
}

/** What it is asked, in order: to open a file, or its bytes; then for rows. */
export type ParquetRequest = { file: string } | { bytes: Uint8Array } | { from: number; to: number };

/** What it answers. Values are as they are stored: texts as bytes, decimals and times as whole numbers. */
export type ParquetAnswer =
  | { rows: number; tree: ParquetNode }
  | { values: Record<string, unknown>[] }
  /** Words for what was thrown, and the system's code where there is one. */
  | { thrown: string; code?: string };

/**
 * Its source, as text: compiled or not, a program is then started in the same way. Annotations of leaves are taken off before reading, so that
 * values come as they are stored; keys of maps stay texts, as they name fields.
 */
export const PARQUET_READER = `
  const { pathToFileURL } = await import('node:url');
  const [library, codecs] = await Promise.all(process.argv.slice(1).map((path) => import(pathToFileURL(path).href)));
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = library;
  const { compressors } = codecs;
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const same = (value) => value;
  const parsers = { stringFromBytes: (bytes) => bytes && text.decode(bytes), timestampFromNanoseconds: same };
  let file, metadata;
  const bare = ({ element, children }, isKey) => {
    const isMap = element.converted_type === 'MAP' || element.converted_type === 'MAP_KEY_VALUE';
    for (const child of children) bare(child, isMap || (isKey && child.element.name === 'key'));
    const isNumber = /^(INTEGER|FLOAT16|UUID)$/.test(element.logical_type?.type ?? '') || /^U?INT_/.test(element.converted_type ?? '');
    if (element.type === undefined || isNumber || (isKey && element.name === 'key')) return;
    delete element.converted_type;
    delete element.logical_type;
  };
  const open = async (request) => {
    file = request.bytes === undefined
      ? await asyncBufferFromFile(request.file)
      : request.bytes.buffer.slice(request.bytes.byteOffset, request.bytes.byteOffset + request.bytes.byteLength);
    metadata = await parquetMetadataAsync(file, { geoparquet: false });
    const tree = parquetSchema(metadata);
    const plain = (node) => ({ element: { ...node.element }, children: node.children.map(plain) });
    const shown = plain(tree);
    bare(tree, false);
    return { rows: Number(metadata.num_rows), tree: shown };
  };
  const read = async ({ from, to }) => ({
    values: await parquetReadObjects({ file, metadata, rowStart: from, rowEnd: to, compressors, parsers, utf8: false }),
  });
  process.on('message', (request) => {
    const answer = 'from' in request ? read(request) : open(request);
    answer.catch((error) => ({ thrown: String(error?.message ?? error), code: error?.code })).then((value) => process.send(value));
  });`;
