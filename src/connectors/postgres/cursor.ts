import type { CursorRange } from '../../core/chunk.ts'
import type { SourceColumn } from './columns.ts'
import type { CursorBounds, TableName } from './details.ts'
import { invalidRequest, serverErrorOf } from './faults.ts'
import type { Queries } from './queries.ts'
import { quoteLiteral, quoteTable } from './quote.ts'
import type { Relation } from './relation.ts'
import { columnReference, selectFrom } from './select.ts'
import type { Order } from './type-table.ts'

export interface ResolvedCursor {
  bounds: CursorBounds
  /** Text form of the greatest value inside the bounds. */
  nextCursor: string | undefined
  notes: string[]
}

/**
 * Fixes both ends of what this execution reads: the upper one is the greatest value there is now, so every chunk has
 * the same bounds however long it waits. Values are compared by Postgres in the column's own type.
 */
export async function resolveCursor(
  queries: Queries,
  relation: Relation,
  range: CursorRange,
  columns: SourceColumn[],
): Promise<ResolvedCursor> {
  const column = columns.find(({ name }) => name === range.column)
  if (!column) throw invalidRequest('cursor.column', `"${relation.name}" has no column "${range.column}"`)
  const { order, cast } = column.mapped
  if (!order) {
    throw invalidRequest(
      'cursor.column',
      `column "${range.column}" is of type ${column.sourceType}, whose values have no order to continue from`,
    )
  }
  const start = range.start === undefined ? null : await readValue(queries, 'start', range.start, cast)
  const end = range.end === undefined ? null : await readValue(queries, 'end', range.end, cast)
  const bounds: CursorBounds = {
    column: range.column,
    cast,
    start: start !== null && range.lag ? await lagBehind(queries, start, range.lag, order, cast) : start,
    startInclusive: range.startInclusive,
    end,
    endInclusive: range.endInclusive,
    withUnordered: false,
    empty: false,
    infinity: infinityOf(order, relation.serverVersion),
  }
  const greatest = await readGreatest(queries, relation, bounds)
  const withUnordered = range.start === undefined
  const notes = [`rows up to ${range.column} = ${greatest ?? 'nothing new'}`]
  if (withUnordered && column.nullable) notes.push(`rows without a ${range.column} belong to this first load and to no later one`)
  return {
    bounds: {
      ...bounds,
      end: end ?? greatest,
      endInclusive: end === null ? true : range.endInclusive,
      withUnordered,
      empty: greatest === null,
    },
    nextCursor: (await isBehind(queries, greatest, start, cast)) ? undefined : (greatest ?? undefined),
    notes,
  }
}

/** With a lag, rows that were read before may be all there is: the cursor must not move back to them. */
async function isBehind(queries: Queries, greatest: string | null, start: string | null, cast: TableName): Promise<boolean> {
  if (greatest === null || start === null) return false
  const type = quoteTable(cast)
  const [row] = await queries.query(`SELECT ${quoteLiteral(greatest)}::${type} < ${quoteLiteral(start)}::${type} AS behind`)
  return row?.behind === 't'
}

async function readGreatest(queries: Queries, relation: Relation, bounds: CursorBounds): Promise<string | null> {
  const column = columnReference(bounds.column)
  const rows = selectFrom([`pg_catalog.format('%s', ${column}) AS value`], [{ table: relation, only: false, from: 0, to: null }], bounds)
  // A backward scan of an index where there is one; max() does not exist for every ordered type.
  const [row] = await queries.query(`${rows} AND ${column} IS NOT NULL ORDER BY ${column} DESC LIMIT 1`)
  return row?.value ?? null
}

/** The value as Postgres writes it, or `invalid-request` if it is none of that type. */
async function readValue(queries: Queries, end: 'start' | 'end', value: string, cast: TableName): Promise<string> {
  try {
    const [row] = await queries.query(`SELECT pg_catalog.format('%s', $1::pg_catalog.text::${quoteTable(cast)}) AS value`, [value])
    return row?.value ?? value
  } catch (error) {
    if (serverErrorOf(error)?.code.startsWith('22')) throw invalidRequest(`cursor.${end}`, `"${value.slice(0, 100)}" is not a ${cast.name}`)
    throw error
  }
}

async function lagBehind(queries: Queries, start: string, lag: number, order: Order, cast: TableName): Promise<string> {
  if (!Number.isFinite(lag) || lag < 0) throw invalidRequest('cursor.lag', 'must be a number of at least 0')
  const value = quoteLiteral(start)
  const amount = quoteLiteral(String(lag))
  const type = quoteTable(cast)
  const sql = {
    // Below the smallest value of the type there is nothing to read.
    integer: `greatest(${value}::numeric - pg_catalog.ceil(${amount}::numeric), ${SMALLEST[cast.name] ?? '-9223372036854775808'})`,
    numeric: `${value}::numeric - ${amount}::numeric`,
    float: `${value}::float8 - ${amount}::float8`,
    date: `(${value}::timestamp - pg_catalog.make_interval(secs => ${amount}::float8))::date`,
    timestamp: `${value}::${type} - pg_catalog.make_interval(secs => ${amount}::float8)`,
    plain: '',
  }[order]
  if (!sql) throw invalidRequest('cursor.lag', `a lag needs a column of numbers, dates or timestamps, not ${cast.name}`)
  const [row] = await queries.query(`SELECT pg_catalog.format('%s', (${sql})::${type}) AS value`)
  return row?.value ?? start
}

const SMALLEST: Record<string, string> = { int2: '-32768', int4: '-2147483648', int8: '-9223372036854775808' }

/** What sorts behind every value a cursor can continue from: infinity and, behind it, NaN. */
function infinityOf(order: Order, serverVersion: number): string | null {
  switch (order) {
    case 'float':
      return 'Infinity'
    case 'numeric':
      // Numeric has an infinity since version 14; NaN sorts last in all.
      return serverVersion >= 140_000 ? 'Infinity' : 'NaN'
    case 'date':
    case 'timestamp':
      return 'infinity'
    default:
      return null
  }
}
