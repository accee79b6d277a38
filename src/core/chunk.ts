import type { Lane } from './payload.ts'
import type { Field, Schema } from './schema.ts'

/** Everything in this file is JSON: it crosses queues, remote calls and Durable Object storage. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** Applied in the source where it can (`StreamDescription.rulesApplied`), else on the record lane. */
export interface ColumnRules {
  exclude: string[]
  /** Replaced by lower-case hex SHA-256 of (text form + salt); nulls stay null; the column becomes a string. */
  pseudonymize: string[]
}

/** Which rows to read by a column that grows. Ends are absent where open-ended. */
export interface CursorRange {
  column: string
  /** A cursor value in text form (see DataType). */
  start?: string
  startInclusive: boolean
  end?: string
  endInclusive: boolean
  /** Re-read this far behind `start`: seconds for dates and timestamps, units of the column for numbers. */
  lag?: number
}

export interface ReadRequest {
  /** The table or object as the user named it: `users`, `public.users`, `users/data/*.csv`. */
  stream: string
  rules: ColumnRules
  cursor?: CursorRange
}

/** What a source found out about one stream. Made once per execution and resource, stored, and handed back with every chunk. */
export interface StreamDescription {
  stream: string
  /** Name to give the destination table when the user names none. */
  defaultTable: string
  /** After `rules`, when `rulesApplied`. */
  schema: Schema
  /** Primary key of the source, in order; empty when it has none. */
  key: string[]
  /** Preferred first; `read` is called with one of these. */
  emits: Lane[]
  /** True when the source itself excludes and pseudonymizes. */
  rulesApplied: boolean
  estimatedRows?: number
  estimatedBytes?: number
  /** The cursor to start behind next time, once this execution has succeeded; text form. Absent without a cursor or new rows. */
  nextCursor?: string
  /** Whether several chunks show one state: `snapshot` with a held snapshot, `chunk` when each chunk is its own, `object` for immutable files. */
  consistency: 'snapshot' | 'chunk' | 'object'
  /** For the plan: what was inferred or decided ("delimiter ; inferred from the first 64 KB"). */
  notes: string[]
  /** Private to the connector. */
  details: Json
}

/** A slice with fixed bounds, never "the rest": reading it twice in one snapshot gives the same rows. */
export interface Chunk {
  /** Unique within the stream, `[a-z0-9]{1,16}`, sorts in plan order. */
  id: string
  /** Private to the connector. */
  slice: Json
  estimatedBytes?: number
}

export type WriteMode =
  | { type: 'append' }
  | { type: 'replace' }
  | { type: 'upsert'; key: string[]; hardDelete?: string }
  /** Deletes destination rows whose key (or merge key) occurs in the load, then inserts the load. `sort` picks the survivor among load rows of one primary key. */
  | { type: 'delete-insert'; key: string[]; mergeKey: string[]; hardDelete?: string; sort?: { column: string; order: 'asc' | 'desc' } }
  /** Slowly changing dimension, type 2. */
  | {
      type: 'scd2'
      /** Natural key: absent rows are closed only when their natural key is given and gone… */
      naturalKey: string[]
      /** …or partition key: absent rows are closed only inside the partitions that the load brings. Both empty: every absent row is closed. */
      partitionKey: string[]
      validFrom: string
      validTo: string
      /** Text form of a timestamp, or null, that marks the row valid now. */
      activeRecord: string | null
      /** Text form of a timestamp: the moment of change; null means when the execution started. */
      boundary: string | null
    }

/** Where a resource goes, as far as the user decided it. */
export interface Target {
  /** Database, schema or dataset; absent means the destination's default. */
  dataset?: string
  table: string
  schema: Schema
  mode: WriteMode
  /** Primary key of the source: a sensible sort order for a table that must be created. */
  sourceKey: string[]
  /** What to do with a value that the destination's type cannot hold (a date out of range, numeric NaN). */
  unrepresentable: 'fail' | 'null'
  /** The moment the execution started, ms since the epoch: the boundary of scd2. */
  startedAtMs: number
}

export interface ColumnPlan {
  field: Field
  destinationColumn: string
  destinationType: string
  loss?: string
}

/** What a destination would do; made without side effects, so a dry run can show it. */
export interface TargetPlan {
  target: Target
  /** Statements that would change the destination's structure, in order. */
  statements: string[]
  columns: ColumnPlan[]
  notes: string[]
  /** Private to the connector. */
  details: Json
}

/** One chunk staged. */
export interface Receipt {
  chunkId: string
  /** Rows the destination says it took. */
  rows: number
  bytes: number
  /** Content checksum of the staged rows as the destination computes it, comparable within this destination. */
  checksum?: string
  /** Private to the connector: where the rows are staged. */
  staged: Json
}

/** What a commit made visible. */
export interface CommitResult {
  /** Rows of this load found at the destination after the commit (append and replace: equal to the rows delivered; merges: rows of the load that are there, after deduplication on keys). */
  foundRows: number
  /** Rows in the whole table after the commit. */
  tableRows: number
  /** Rows delivered that the write mode itself leaves out (duplicates of a key, hard deletes, unchanged scd2 rows). `deliveredRows = foundRows + foldedRows`. */
  foldedRows: number
  checksum?: string
  notes: string[]
}
