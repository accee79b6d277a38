import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { type AsyncBuffer, type Compressors, type FileMetaData, parquetMetadataAsync, parquetScan, type RowGroup } from 'hyparquet'
import { decompressLz4, decompressLz4Raw } from 'hyparquet-compressors/src/lz4.js'
import { IngestError } from '../core/errors.ts'
import type { RecordBatch } from '../core/payload.ts'
import type { Schema } from '../core/schema.ts'
import { BATCH_MAX_BYTES, BATCH_MAX_ROWS } from '../limits.ts'
import { badData } from './bad-data.ts'
import { type ParquetColumn, type ParquetLayout, parquetLayout } from './parquet-schema.ts'

/** A file read by ranges, whose length is known. */
export type RangedFile = AsyncBuffer

export interface ParquetFile extends ParquetLayout {
  rows: number
}

/** Decoded at once; decoded values weigh several times this, and an isolate has 128 MB. */
const GROUP_MAX_BYTES = 32 * 1024 * 1024
/** What is decoded at once of a larger group, where its pages are indexed. */
const WINDOW_BYTES = 8 * 1024 * 1024
/** A footer beyond this does not fit beside the data. */
const FOOTER_MAX_BYTES = 16 * 1024 * 1024
const FOOTER_FETCH_BYTES = 64 * 1024

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const COMPRESSORS: Compressors = {
  GZIP: (input) => gunzipSync(input),
  BROTLI: (input) => brotliDecompressSync(input),
  ZSTD: (input) => zstdDecompressSync(input),
  LZ4: decompressLz4,
  LZ4_RAW: decompressLz4Raw,
}

const PARSERS = {
  timestampFromNanoseconds: (nanos: bigint) => nanos,
  stringFromBytes: (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : strictText.decode(bytes)),
}

/** Reads the footer. @throws IngestError `bad-data` when the file is no whole Parquet file */
export async function openParquet(file: RangedFile): Promise<ParquetFile> {
  const metadata = await guarded('The Parquet footer cannot be read', async () => {
    if (file.byteLength < 12) throw new Error('the file is too short')
    const tail = new DataView(await file.slice(file.byteLength - 8, file.byteLength))
    const footerBytes = tail.getUint32(0, true)
    if (tail.getUint32(4, true) !== 0x31524150) throw new Error('it does not end with PAR1')
    if (footerBytes > Math.min(FOOTER_MAX_BYTES, file.byteLength - 8)) throw new Error(`the footer claims ${footerBytes} bytes`)
    return await parquetMetadataAsync(file, { geoparquet: false, initialFetchSize: Math.max(FOOTER_FETCH_BYTES, footerBytes + 8) })
  })
  const encrypted = metadata.row_groups.some((group) =>
    group.columns.some((column) => column.meta_data === undefined || column.crypto_metadata !== undefined),
  )
  if (encrypted) {
    throw new IngestError({
      tag: 'unsupported',
      message: 'The Parquet file has encrypted columns',
      place: { side: 'source' },
      remedy: 'Write the file without encryption.',
    })
  }
  return { ...parquetLayout(metadata), rows: Number(metadata.num_rows) }
}

/** Decodes row group by row group into batches of `schema`; a column that the file lacks is null. */
export async function* decodeParquet(file: RangedFile, parquet: ParquetFile, schema: Schema): AsyncGenerator<RecordBatch, void> {
  const byName = new Map(parquet.columns.map((column) => [column.field.name, column]))
  const wanted = schema.fields.map((field) => byName.get(field.name))
  const names = wanted.flatMap((column) => (column ? [column.field.name] : []))
  let groupStart = 0
  for (const group of parquet.metadata.row_groups) {
    const groupRows = Number(group.num_rows)
    for (const { from, to } of windows(group, groupRows)) {
      // One scan per window: a scan keeps the columns it has read.
      const decoded = await decodeWindow(file, parquet.metadata, names, groupStart + from, groupStart + to)
      yield* batches(wanted, decoded, to - from, groupStart + from, Number(group.total_byte_size) / Math.max(1, groupRows))
    }
    groupStart += groupRows
  }
}

async function decodeWindow(
  file: RangedFile,
  metadata: FileMetaData,
  names: string[],
  rowStart: number,
  rowEnd: number,
): Promise<Map<string, ArrayLike<unknown>>> {
  const decoded = new Map<string, ArrayLike<unknown>>()
  await guarded('The Parquet data cannot be decoded', async () => {
    if (names.length === 0) return
    const scan = await parquetScan({
      file,
      metadata,
      columns: names,
      compressors: COMPRESSORS,
      parsers: PARSERS,
      utf8: false,
      geoparquet: false,
    })
    for (const column of names) decoded.set(column, await scan.readColumn({ column, rowStart, rowEnd }))
  })
  for (const [name, values] of decoded) {
    if (values.length !== rowEnd - rowStart) {
      throw badData(`Column "${name}" has ${values.length} values where ${rowEnd - rowStart} rows are expected`, 'Write the file again.', {
        column: name,
      })
    }
  }
  return decoded
}

function* windows(group: RowGroup, rows: number): Generator<{ from: number; to: number }> {
  const bytes = Number(group.total_byte_size)
  if (bytes <= GROUP_MAX_BYTES) {
    if (rows > 0) yield { from: 0, to: rows }
    return
  }
  if (!group.columns.every((column) => column.offset_index_offset !== undefined)) {
    throw new IngestError({
      tag: 'unsupported',
      message: `A row group holds ${bytes} bytes, more than the ${GROUP_MAX_BYTES} that can be decoded at once`,
      place: { side: 'source' },
      remedy: 'Write the file with smaller row groups or with a page index, or load it without column rules, which needs no decoding.',
    })
  }
  const step = Math.max(1, Math.floor((rows * WINDOW_BYTES) / bytes))
  for (let from = 0; from < rows; from += step) yield { from, to: Math.min(rows, from + step) }
}

function* batches(
  wanted: readonly (ParquetColumn | undefined)[],
  decoded: Map<string, ArrayLike<unknown>>,
  rows: number,
  firstRow: number,
  rowBytes: number,
): Generator<RecordBatch> {
  const step = Math.max(1, Math.min(BATCH_MAX_ROWS, Math.floor(BATCH_MAX_BYTES / Math.max(1, rowBytes))))
  for (let from = 0; from < rows; from += step) {
    const rowCount = Math.min(step, rows - from)
    const columns = wanted.map((column) => {
      const values = column && decoded.get(column.field.name)
      const out: unknown[] = new Array(rowCount)
      for (let row = 0; row < rowCount; row++) {
        const value = values?.[from + row]
        out[row] = value === null || value === undefined || !column ? null : recordForm(column, value, firstRow + from + row)
      }
      return out
    })
    yield { rowCount, columns }
  }
}

function recordForm(column: ParquetColumn, value: unknown, row: number): unknown {
  try {
    return column.read(value)
  } catch (error) {
    if (!(error instanceof IngestError) || error.fault.tag !== 'bad-data') throw error
    throw badData(error.fault.message, error.fault.remedy, { column: column.field.name, record: row + 1 })
  }
}

/** The reader throws plain errors for damaged files; faults of the transport pass through. */
async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof IngestError) throw cause
    const error = badData(
      `${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
      'Check that the file is a whole Parquet file; write it again if it is damaged.',
    )
    error.cause = cause
    throw error
  }
}
