import type { DataType } from '../../core/schema.ts'
import type { CursorBounds, Details, TableName } from './details.ts'
import { quoteIdentifier, quoteLiteral, quoteTable } from './quote.ts'
import type { ArrayForm } from './type-table.ts'
import type { ColumnForm } from './types.ts'

/** One table, whole or by a range of blocks; `to` null is open-ended. */
export interface Leg {
  table: TableName
  /** Leaves the children of an inheritance tree out: they are legs of their own. */
  only: boolean
  from: number
  to: number | null
}

/** The rows of the legs in the text forms of core/schema.ts. `salt` is that of pseudonyms. */
export function selectRows(details: Details, legs: Leg[], salt: string): string {
  const columns = details.columns.map((column) => {
    const reference = columnReference(column.name)
    return column.pseudonym ? pseudonym(column.form, reference, salt) : renderValue(column.form, reference)
  })
  return selectFrom(columns, legs, details.cursor)
}

export function selectFrom(columns: string[], legs: Leg[], cursor: CursorBounds | null): string {
  const list = columns.join(', ')
  return legs
    .map((leg) => `SELECT ${list} FROM ${leg.only ? 'ONLY ' : ''}${quoteTable(leg.table)} AS t${where(leg, cursor)}`)
    .join(' UNION ALL ')
}

export function columnReference(name: string): string {
  return `t.${quoteIdentifier(name)}`
}

/** Functions are named with their schema, so that a table's owner cannot put his own in front. */
export function renderValue(form: ColumnForm, column: string): string {
  switch (form) {
    case 'asis':
      return column
    case 'bytea':
      return `pg_catalog.encode(${column}, 'hex')`
    case 'money':
      return `${column}::pg_catalog.numeric`
    default: {
      const [shape, items] = form.split(':') as ['array' | 'nested', ArrayForm]
      const json = renderArray(items, column)
      return shape === 'nested' ? json : guardDimensions(column, json)
    }
  }
}

function renderArray(items: ArrayForm, column: string): string {
  const json = (array: string) => `pg_catalog.array_to_json(${array})::pg_catalog.text`
  switch (items) {
    case 'items':
      return json(column)
    case 'text-items':
      return json(`${column}::pg_catalog.text[]`)
    case 'bigint-items':
      return json(`${column}::pg_catalog.text[]::pg_catalog.int8[]`)
    case 'numeric-items':
      return json(`${column}::pg_catalog.text[]::pg_catalog.numeric[]`)
    case 'money-items':
      return json(`${column}::pg_catalog.numeric[]::pg_catalog.text[]`)
    case 'bytea-items':
      // Items read "\\x6162": nothing else in hex text can look like their beginning.
      return `pg_catalog.replace(${json(column)}, ${quoteLiteral('"\\\\x')}, '"')`
  }
}

/** Any array may hold more dimensions than its column declares. The failing cast carries the column's name to faults.ts. */
function guardDimensions(column: string, json: string): string {
  const name = quoteLiteral(`multidimensional array in column ${column.slice(3, -1).replaceAll('""', '"')}`)
  // Made from the value, or the planner would compute it (and fail) for every table.
  const fail = `pg_catalog.concat(${name}, pg_catalog.left(pg_catalog.array_dims(${column}), 0))::pg_catalog.int4::pg_catalog.text`
  return `CASE WHEN pg_catalog.array_ndims(${column}) > 1 THEN ${fail} ELSE ${json} END`
}

/** The text form as a value of type text; null stays null, also for composites of nulls. */
export function textOf(form: ColumnForm, column: string): string {
  return `CASE WHEN ${column} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', ${renderValue(form, column)}) END`
}

export function pseudonym(form: ColumnForm, column: string, salt: string): string {
  return `pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to((${textOf(form, column)}) || ${quoteLiteral(salt)}, 'UTF8')), 'hex')`
}

/** The canonical text of core/checksum.ts. */
export function canonicalText(type: DataType, form: ColumnForm, column: string): string {
  switch (type.kind) {
    case 'float': {
      const send = type.bits === 32 ? 'float4send' : 'float8send'
      return `CASE WHEN ${column} = 'NaN' THEN 'nan' ELSE pg_catalog.encode(pg_catalog.${send}(${column}), 'hex') END`
    }
    case 'timestamp':
      // Whole seconds and microseconds apart: before version 14 the epoch was a float.
      return `CASE WHEN pg_catalog.isfinite(${column}) THEN ((EXTRACT(epoch FROM pg_catalog.date_trunc('second', ${column}))::pg_catalog.int8 * 1000000 + EXTRACT(microseconds FROM ${column})::pg_catalog.int8 % 1000000)::pg_catalog.text) ELSE ${textOf(form, column)} END`
    default:
      return textOf(form, column)
  }
}

function where(leg: Leg, cursor: CursorBounds | null): string {
  const conditions: string[] = []
  if (leg.from > 0) conditions.push(`t.ctid >= '(${leg.from},0)'::pg_catalog.tid`)
  if (leg.to !== null) conditions.push(`t.ctid < '(${leg.to},0)'::pg_catalog.tid`)
  if (cursor) conditions.push(cursorCondition(cursor))
  return conditions.length ? ` WHERE ${conditions.join(' AND ')}` : ''
}

export function cursorCondition(cursor: CursorBounds): string {
  const column = columnReference(cursor.column)
  const literal = (value: string) => `${quoteLiteral(value)}::${quoteTable(cursor.cast)}`
  const ordered: string[] = []
  if (cursor.empty) ordered.push('false')
  if (cursor.start !== null) ordered.push(`${column} ${cursor.startInclusive ? '>=' : '>'} ${literal(cursor.start)}`)
  if (cursor.end !== null) ordered.push(`${column} ${cursor.endInclusive ? '<=' : '<'} ${literal(cursor.end)}`)
  if (cursor.infinity !== null && !cursor.withUnordered) ordered.push(`${column} < ${literal(cursor.infinity)}`)
  const inside = ordered.length ? `(${ordered.join(' AND ')})` : 'true'
  if (!cursor.withUnordered) return inside
  const unordered = [`${column} IS NULL`]
  if (cursor.infinity !== null) unordered.push(`${column} >= ${literal(cursor.infinity)}`)
  return `(${[inside, ...unordered].join(' OR ')})`
}
