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

/** A column of a row group, as the footer has it; `start` and `bytes` say where it lies. */
export interface ParquetColumn {
  path: string;
  codec: string;
  values: number;
  start: number;
  bytes: number;
}

export interface ParquetGroup {
  rows: number;
  columns: ParquetColumn[];
}

/** Header of a page: bytes in the file, and when decompressed; of the second version the bytes of definition and repetition levels. */
export interface ParquetPage {
  type?: string;
  bytes?: number;
  plainBytes?: number;
  values?: number;
  encoding?: string;
  levels?: (number | undefined)[];
}

/** What it is asked, in order: to open a file, or its bytes; then for the page headers of row groups, and for rows. */
export type ParquetRequest = { file: string } | { bytes: Uint8Array } | { group: number } | { from: number; to: number };

/** What it answers. Values are as they are stored: texts as bytes, decimals and times as whole numbers. */
export type ParquetAnswer =
  | { rows: number; tree: ParquetNode; groups: ParquetGroup[] }
  /** Of each column of a row group. */
  | { pages: ParquetPage[][] }
  | { values: Record<string, unknown>[] }
  /** Words for what was thrown, and the system's code where there is one. */
  | { thrown: string; code?: string };

/**
 * Its source. Annotations of leaves are taken off before reading, so that values come as they are stored; keys of maps stay texts, as they name
 * fields. A page must unpack to as many bytes as its header says: none for an empty one, which hyparquet-compressors does not take in LZ4 (one byte
 * 0); and as LZ4 blocks carry no length, theirs is counted (block: token of two lengths, longer ones in bytes of 255; the codec LZ4 may be frames of
 * Hadoop, each with both lengths). Snappy begins with its own, seven bits a byte. gzip and brotli are Node's, which check their sums.
 */
export const PARQUET_READER = `
  const { pathToFileURL } = await import('node:url');
  const [library, columns, codecs] = await Promise.all(process.argv.slice(1).map((path) => import(pathToFileURL(path).href)));
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = library;
  const { brotliDecompressSync, gunzipSync } = await import('node:zlib');
  const longer = (bytes, at) => {
    let length = 0;
    do length += bytes[at.i] ?? 0; while (bytes[at.i++] === 255);
    return length;
  };
  const blockLength = (bytes) => {
    let length = 0;
    for (const at = { i: 0 }; at.i < bytes.length; ) {
      const token = bytes[at.i++];
      const literals = token >> 4 === 15 ? 15 + longer(bytes, at) : token >> 4;
      length += literals;
      if ((at.i += literals) >= bytes.length) return at.i === bytes.length ? length : -1;
      at.i += 2;
      length += 4 + ((token & 15) === 15 ? 15 + longer(bytes, at) : token & 15);
    }
    return length;
  };
  const framedLength = (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let [length, at] = [0, 0];
    for (; at + 8 <= bytes.length; at += 8 + view.getUint32(at + 4)) length += view.getUint32(at);
    return at === bytes.length ? length : blockLength(bytes);
  };
  const snappyLength = (bytes) => {
    let length = 0;
    for (let i = 0; i < 5; i++) {
      length += (bytes[i] & 127) * 2 ** (7 * i);
      if (bytes[i] < 128) return length;
    }
    return -1;
  };
  const own = {
    GZIP: (input, maxOutputLength) => gunzipSync(input, { maxOutputLength }),
    BROTLI: (input, maxOutputLength) => brotliDecompressSync(input, { maxOutputLength }),
  };
  const lengths = { LZ4: framedLength, LZ4_RAW: blockLength, SNAPPY: snappyLength };
  const whole = ([codec, library]) => [codec, (input, size) => {
    if (size === 0) return new Uint8Array(0);
    const output = (own[codec] ?? library)(input, size);
    const length = lengths[codec]?.(input) ?? output.length;
    if (length !== size) throw new Error('a page has ' + length + ' bytes of ' + codec + ' unpacked, and its header says ' + size);
    return output;
  }];
  const compressors = Object.fromEntries(Object.entries(codecs.compressors).map(whole));
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
    const groups = metadata.row_groups.map((group) => ({ rows: Number(group.num_rows), columns: group.columns.map(shownColumn) }));
    return { rows: Number(metadata.num_rows), tree: shown, groups };
  };
  const shownColumn = ({ meta_data: data }) => {
    if (data === undefined) throw new Error('a column has no metadata in the footer');
    const [dictionary, first] = [data.dictionary_page_offset, data.data_page_offset];
    const start = Number(!dictionary || first < dictionary ? first : dictionary);
    const [values, bytes] = [Number(data.num_values), Number(data.total_compressed_size)];
    return { path: data.path_in_schema.join('.'), codec: data.codec, values, start, bytes };
  };
  const headerAt = async (at, end) => {
    const read = async (size) => {
      const reader = { view: new DataView(await file.slice(at, Math.min(at + size, end))), offset: 0 };
      return { header: columns.parquetHeader(reader), size: reader.offset };
    };
    return read(4096).catch(() => read(end - at));
  };
  const pagesOf = async ({ values, start, bytes }) => {
    const pages = [];
    for (let [at, seen] = [start, 0]; at < start + bytes - 1 && seen < values; ) {
      const { header, size } = await headerAt(at, start + bytes);
      const [one, two, dictionary] = [header.data_page_header, header.data_page_header_v2, header.dictionary_page_header];
      const found = { DATA_PAGE: one, DATA_PAGE_V2: two, DICTIONARY_PAGE: dictionary }[header.type];
      const page = { type: header.type, bytes: header.compressed_page_size, plainBytes: header.uncompressed_page_size };
      const levels = found !== undefined && found === two
        ? { levels: [two.definition_levels_byte_length, two.repetition_levels_byte_length] }
        : {};
      pages.push({ ...page, ...levels, values: found?.num_values, encoding: found?.encoding });
      // Whoever asked refuses such a page; its place says nothing of the next one.
      if (!(page.bytes >= 0)) break;
      if (header.type !== 'DICTIONARY_PAGE') seen += Math.max(found?.num_values ?? 0, 0);
      at += size + page.bytes;
    }
    return pages;
  };
  const pages = async ({ group }) => ({ pages: await Promise.all(metadata.row_groups[group].columns.map(shownColumn).map(pagesOf)) });
  const read = async ({ from, to }) => ({
    values: await parquetReadObjects({ file, metadata, rowStart: from, rowEnd: to, compressors, parsers, utf8: false }),
  });
  process.on('message', (request) => {
    const answer = 'from' in request ? read(request) : 'group' in request ? pages(request) : open(request);
    answer.catch((error) => ({ thrown: String(error?.message ?? error), code: error?.code })).then((value) => process.send(value));
  });`;
