import { PARTITIONS_CUT_MAX } from '../../limits.ts'
import type { Part } from './details.ts'
import type { Queries } from './queries.ts'
import type { Relation } from './relation.ts'

/** Where the rows are, and how they may be cut. */
export interface Parts {
  parts: Part[]
  bytesPerBlock: number
  estimatedRows: number | undefined
  estimatedBytes: number | undefined
  /** A foreign table takes no part in a snapshot. */
  foreign: boolean
  notes: string[]
}

/** Ranges of ctid are scanned directly since this version; before, each range would scan the whole table. */
const CTID_RANGE_VERSION = 140_000

export async function readParts(queries: Queries, relation: Relation): Promise<Parts> {
  if (relation.kind === 'v') return unknownSize(false, ['a view: read in one piece'])
  if (relation.kind === 'f') return unknownSize(true, ['a foreign table: read in one piece, outside of any snapshot'])
  const rows = await queries.query(
    `WITH RECURSIVE tree (oid) AS (
       SELECT $1::oid
       UNION
       SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
       -- The column exists since version 14.
       WHERE NOT coalesce((pg_catalog.to_jsonb(i) ->> 'inhdetachpending')::boolean, false)
     )
     SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.reltuples AS tuples, am.amname AS method,
       pg_catalog.pg_relation_filenode(c.oid) AS file, pg_catalog.pg_table_size(c.oid) AS bytes,
       pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int8 AS blocks,
       pg_catalog.has_table_privilege(c.oid, 'SELECT') AS readable, pg_catalog.row_security_active(c.oid) AS secured,
       c.oid = $1::oid AS root
     FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
     ORDER BY c.oid = $1::oid DESC, n.nspname, c.relname LIMIT ${PARTITIONS_CUT_MAX * 2}`,
    [relation.oid],
  )
  const secured = rows.some((row) => row.secured === 't')
  const leaves = rows.filter((row) => row.kind !== 'p')
  const notes: string[] = []
  if (secured) notes.push('row-level security is active for this user: only the rows it may see are read')
  const foreign = leaves.some((row) => row.kind === 'f')
  if (foreign) notes.push('some partitions are foreign tables, which are read outside of any snapshot')
  const sizes = sumSizes(leaves)
  const whole = reasonForOnePiece(rows, leaves, secured)
  if (whole) return { ...sizes, parts: [], foreign, notes: [...notes, whole] }
  if (relation.serverVersion < CTID_RANGE_VERSION)
    notes.push('a server before version 14 cannot scan parts of a table: each table is one chunk')
  const parts = leaves.map((row) => ({
    schema: String(row.schema),
    name: String(row.name),
    oid: String(row.oid),
    file: row.file ?? null,
    blocks: Number(row.blocks ?? 0),
    cut: relation.serverVersion >= CTID_RANGE_VERSION && row.method === 'heap' && (row.kind === 'r' || row.kind === 'm'),
  }))
  return { ...sizes, parts, foreign, notes }
}

/** Partitions are read by their own names only where that gives the same rows as the parent would. */
function reasonForOnePiece(
  rows: Record<string, string | null>[],
  leaves: Record<string, string | null>[],
  secured: boolean,
): string | undefined {
  const alone = rows.length === 1
  if (leaves.length === 0) return 'no partitions: read in one piece'
  if (alone) return undefined
  if (secured) return 'row-level security holds for the partitioned table as a whole: read in one piece'
  if (leaves.some((row) => row.root !== 't' && row.readable !== 't'))
    return 'this user may read the partitioned table but not its partitions: read in one piece'
  if (leaves.length > PARTITIONS_CUT_MAX) return `more than ${PARTITIONS_CUT_MAX} partitions: read in one piece`
  return undefined
}

function sumSizes(leaves: Record<string, string | null>[]): Pick<Parts, 'bytesPerBlock' | 'estimatedRows' | 'estimatedBytes'> {
  const sum = (name: string) => leaves.reduce((total, row) => total + Math.max(0, Number(row[name] ?? 0)), 0)
  const blocks = sum('blocks')
  const bytes = sum('bytes')
  // -1: never analyzed.
  const known = leaves.every((row) => Number(row.tuples) >= 0)
  return { bytesPerBlock: blocks > 0 ? bytes / blocks : 8192, estimatedBytes: bytes, estimatedRows: known ? sum('tuples') : undefined }
}

function unknownSize(foreign: boolean, notes: string[]): Parts {
  return { parts: [], bytesPerBlock: 8192, estimatedRows: undefined, estimatedBytes: undefined, foreign, notes }
}
