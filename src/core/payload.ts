import type { Schema } from './schema.ts'

export interface ByteFormat {
  encoding: 'csv' | 'tsv' | 'jsonl' | 'parquet'
  compression: 'none' | 'gzip' | 'zstd'
  /** Required where CSV is emitted; on the accepting side, absent means any. */
  csv?: CsvFormat
}

export interface CsvFormat {
  delimiter: string
  quote: string
  /** The first record of every chunk names the columns. False: the columns are those of the schema, in order. */
  header: boolean
  /** The unquoted token that stands for NULL; an empty unquoted field when ''. */
  nullText: string
}

/** How bytes travel. `bytes` are piped through unparsed, `records` are decoded batches. Capability is data. */
export type Lane = { via: 'bytes'; format: ByteFormat } | { via: 'records' }

/** What the reading end knows once everything was read. `rows` is absent where counting would mean parsing. */
export interface ReadOutcome {
  rows?: number
  bytes: number
}

/**
 * A chunk on its way. `completed` settles after the last byte (or rejects with the first cause of a failure) and must
 * be awaited by whoever consumes the payload: end of data alone is not success. `cancel` stops the remote, never
 * throws and may be called at any time, more than once.
 * Columns of `bytes` come in the order of the schema, unless the format names them itself (CSV header, JSONL, Parquet).
 */
export type Payload =
  | ({ via: 'bytes'; format: ByteFormat; body: ReadableStream<Uint8Array> } & Progress)
  | ({ via: 'records'; schema: Schema; batches: AsyncIterable<RecordBatch> } & Progress)

interface Progress {
  completed: Promise<ReadOutcome>
  cancel(): void
  /** Bytes handed over so far, in the measure of `ReadOutcome.bytes`. Absent where the source does not count. */
  sentBytes?(): number
}

/** Columnar and bounded by BATCH_MAX_BYTES. `columns[i][row]` is the record form of field i (see DataType), or null. */
export interface RecordBatch {
  rowCount: number
  columns: readonly ArrayLike<unknown>[]
}
