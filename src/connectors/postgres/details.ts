import type { Json, StreamDescription } from '../../core/chunk.ts'
import type { ColumnForm } from './types.ts'

/** What `describe` found out and every chunk needs again; travels as `StreamDescription.details`. */
export interface Details {
  table: TableName
  /** In the order of the schema's fields. */
  columns: { name: string; form: ColumnForm; pseudonym: boolean }[]
  /** The tables that hold the rows: the table itself, its partitions, its children. Empty: read as a whole. */
  parts: Part[]
  /** Heap and TOAST bytes behind one block of the main file, as an average. */
  bytesPerBlock: number
  cursor: CursorBounds | null
  /** How many bytes the planner expects of the whole query. */
  plannedBytes: number
  /** `lc_monetary`, where a column is money: it decides how many digits the stored number has behind the point. */
  monetary: string | null
}

export interface TableName {
  schema: string
  name: string
}

export interface Part extends TableName {
  oid: string
  /** pg_relation_filenode: another one means that the table was truncated or rewritten since. */
  file: string | null
  blocks: number
  /** May be read by ranges of blocks. */
  cut: boolean
}

export interface CursorBounds {
  column: string
  cast: TableName
  start: string | null
  startInclusive: boolean
  end: string | null
  endInclusive: boolean
  /** Rows with a null, NaN or infinite cursor value belong to this load: it has no start. */
  withUnordered: boolean
  /** Nothing lies inside the bounds. */
  empty: boolean
  /** Literal behind which values are NaN or infinite; null when the type has none. */
  infinity: string | null
}

export function toDetails(details: Details): Json {
  return details as unknown as Json
}

export function detailsOf(description: StreamDescription): Details {
  return description.details as unknown as Details
}
