import type { ReadRequest, StreamDescription } from '../../core/chunk.ts'
import { applyRules, readColumns, readKey, readMonetary, type SourceColumn } from './columns.ts'
import type { PostgresConfig } from './config.ts'
import { type ResolvedCursor, resolveCursor } from './cursor.ts'
import { type Details, toDetails } from './details.ts'
import { type Parts, readParts } from './parts.ts'
import type { Queries } from './queries.ts'
import { findRelation, type Relation } from './relation.ts'
import { selectRows } from './select.ts'

/** Runs inside a transaction that `beginStatements` opened. */
export async function describeStream(queries: Queries, request: ReadRequest, config: PostgresConfig): Promise<StreamDescription> {
  const relation = await findRelation(queries, request.stream, config)
  const all = await readColumns(queries, relation)
  const monetary = await readMonetary(queries, all)
  const { fields, columns } = applyRules(all, request.rules, monetary, config, request.stream)
  const key = await readKey(queries, relation, fields)
  const size = await readParts(queries, relation)
  const cursor = request.cursor ? await resolveCursor(queries, relation, request.cursor, all) : undefined
  const details: Details = {
    table: { schema: relation.schema, name: relation.name },
    columns,
    parts: size.parts,
    bytesPerBlock: size.bytesPerBlock,
    cursor: cursor?.bounds ?? null,
    plannedBytes: 0,
    monetary: monetary?.locale ?? null,
  }
  const expected = await estimate(queries, details)
  details.plannedBytes = expected.bytes
  const planned = cursor !== undefined || size.estimatedBytes === undefined
  return {
    stream: request.stream,
    defaultTable: relation.name,
    schema: { fields },
    key,
    emits: [{ via: 'bytes', format: { encoding: 'tsv', compression: 'none' } }],
    rulesApplied: true,
    estimatedRows: planned ? expected.rows : size.estimatedRows,
    estimatedBytes: planned ? expected.bytes : size.estimatedBytes,
    nextCursor: cursor?.nextCursor,
    consistency: size.foreign ? 'chunk' : 'snapshot',
    notes: notesOf(relation, all, size, cursor),
    details: toDetails(details),
  }
}

/** The planner's guess. It also finds out, before anything is read, whether this user may run the query at all. */
async function estimate(queries: Queries, details: Details): Promise<{ rows: number; bytes: number }> {
  const sql = selectRows(details, [{ table: details.table, only: false, from: 0, to: null }], '')
  const [row] = await queries.query(`EXPLAIN (FORMAT JSON) ${sql}`)
  const [explained] = JSON.parse(row?.['QUERY PLAN'] ?? '[]') as { Plan?: { 'Plan Rows'?: number; 'Plan Width'?: number } }[]
  const rows = explained?.Plan?.['Plan Rows'] ?? 0
  return { rows, bytes: rows * (explained?.Plan?.['Plan Width'] ?? 0) }
}

function notesOf(relation: Relation, columns: SourceColumn[], size: Parts, cursor: ResolvedCursor | undefined): string[] {
  const labels = columns
    .filter((column) => column.labels.length > 0)
    .map(
      (column) => `column "${column.name}" is an enum: ${column.labels.slice(0, 20).join(', ')}${column.labels.length > 20 ? ', …' : ''}`,
    )
  const padded = columns.filter((column) => column.mapped.cast.name === 'bpchar').map((column) => `"${column.name}"`)
  return [
    ...size.notes,
    ...(cursor?.notes ?? []),
    ...labels,
    ...(padded.length ? [`char(n) values keep their trailing blanks: ${padded.join(', ')}`] : []),
    ...(relation.kind === 'm' ? ['a materialized view: its rows are as old as its last REFRESH'] : []),
  ]
}
