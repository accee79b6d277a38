import type { DataType, Field } from '../../core/schema.ts'

/** The one table of types: what a new column becomes. Not yet wrapped in Nullable. */
export interface ColumnType {
  type: string
  /** What the type cannot keep, in words for the plan. */
  loss?: string
}

export const DATE_LOSS = 'only dates from 1900-01-01 to 2299-12-31'
const NANOSECOND_LOSS = 'only instants from 1677-09-21 to 2262-04-11'
export const NULL_ARRAY_LOSS = 'a NULL array becomes an empty array'

export function columnTypeOf(type: DataType): ColumnType {
  switch (type.kind) {
    case 'boolean':
      return { type: 'Bool' }
    case 'int':
      return { type: `${type.signed ? '' : 'U'}Int${type.bits}` }
    case 'float':
      return { type: `Float${type.bits}` }
    case 'decimal':
      return type.precision > 76 ? { type: 'String' } : { type: `Decimal(${type.precision}, ${type.scale})`, loss: 'no NaN or infinity' }
    case 'date':
      return { type: 'Date32', loss: DATE_LOSS }
    case 'timestamp':
      return timestampType(type.fractionDigits)
    case 'uuid':
      return { type: 'UUID' }
    case 'array': {
      const item = columnTypeOf(type.of)
      const nested = type.of.kind === 'array' ? item.type : `Nullable(${item.type})`
      return { type: `Array(${nested})`, ...(item.loss ? { loss: item.loss } : {}) }
    }
    case 'string':
    case 'bytes':
    case 'time':
    case 'json':
      return { type: 'String' }
  }
}

function timestampType(fractionDigits: number): ColumnType {
  const kept = Math.min(fractionDigits, 9)
  const losses = [
    kept > 6 ? NANOSECOND_LOSS : 'no infinity, no years before 1 or after 9999',
    ...(fractionDigits > 9 ? ['only 9 digits of the fraction: a value with more fails'] : []),
  ]
  // Always labelled UTC: an instant is one, and a wall-clock time keeps its digits in every session's time zone.
  return { type: `DateTime64(${kept}, 'UTC')`, loss: losses.join('; ') }
}

/** The declaration of a new column, and what it loses. */
export function declare(field: Field, mustBeSet: boolean): ColumnType {
  const { type, loss } = columnTypeOf(field.type)
  const losses = [field.loss, loss, field.type.kind === 'array' && field.nullable ? NULL_ARRAY_LOSS : undefined].filter(
    (part) => part !== undefined,
  )
  const nullable = field.nullable && !mustBeSet && field.type.kind !== 'array'
  return { type: nullable ? `Nullable(${type})` : type, ...(losses.length ? { loss: losses.join('; ') } : {}) }
}

/** A type of an existing column, taken apart. `bare` has no Nullable and no LowCardinality around it. */
export interface ParsedType {
  text: string
  bare: string
  nullable: boolean
  lowCardinality: boolean
  family: string
  args: string[]
}

export function parseType(text: string): ParsedType {
  let bare = text
  let nullable = false
  let lowCardinality = false
  for (;;) {
    const { family, args } = split(bare)
    const inner = args[0]
    if (inner !== undefined && family === 'Nullable') nullable = true
    else if (inner !== undefined && family === 'LowCardinality') lowCardinality = true
    else return { text, bare, nullable, lowCardinality, family, args }
    bare = inner
  }
}

/** `Decimal(10, 2)` → family `Decimal`, arguments `10` and `2`; quotes and nested parentheses are respected. */
function split(type: string): { family: string; args: string[] } {
  const open = type.indexOf('(')
  if (open < 0) return { family: type, args: [] }
  const args: string[] = []
  let depth = 0
  let quoted = false
  let start = open + 1
  for (let at = open; at < type.length; at++) {
    const char = type[at]
    if (quoted) {
      if (char === '\\') at++
      else if (char === "'") quoted = false
    } else if (char === "'") quoted = true
    else if (char === '(') depth++
    else if (char === ')') depth--
    else if (char === ',' && depth === 1) {
      args.push(type.slice(start, at).trim())
      start = at + 1
    }
    if (depth === 0 && at > open) {
      args.push(type.slice(start, at).trim())
      break
    }
  }
  return { family: type.slice(0, open), args }
}

/** The same type with Nullable around its value, where ClickHouse allows it. */
export function asNullable(parsed: ParsedType): string | undefined {
  if (parsed.nullable) return parsed.text
  if (/^(Array|Map|Tuple|Nested|JSON|Object|Variant|Dynamic|AggregateFunction|SimpleAggregateFunction)$/.test(parsed.family))
    return undefined
  return parsed.lowCardinality ? `LowCardinality(Nullable(${parsed.bare}))` : `Nullable(${parsed.bare})`
}

export function decimalOf(parsed: ParsedType): { precision: number; scale: number } | undefined {
  if (parsed.family !== 'Decimal') return undefined
  return { precision: Number(parsed.args[0]), scale: Number(parsed.args[1] ?? 0) }
}

export function intOf(parsed: ParsedType): { bits: number; signed: boolean } | undefined {
  const match = /^(U?)Int(8|16|32|64|128|256)$/.exec(parsed.bare)
  return match ? { bits: Number(match[2]), signed: match[1] === '' } : undefined
}

/** Digits after the point and the label of a DateTime or DateTime64. */
export function timestampOf(parsed: ParsedType): { digits: number; zone?: string } | undefined {
  const zoneText = parsed.family === 'DateTime64' ? parsed.args[1] : parsed.args[0]
  const zone = zoneText?.replace(/^'|'$/g, '')
  if (parsed.family === 'DateTime64') return { digits: Number(parsed.args[0]), ...(zone ? { zone } : {}) }
  if (parsed.family === 'DateTime') return { digits: 0, ...(zone ? { zone } : {}) }
  return undefined
}
