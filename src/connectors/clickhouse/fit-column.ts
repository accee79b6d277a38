import type { DataType, Field } from '../../core/schema.ts'
import { asNullable, columnTypeOf, DATE_LOSS, decimalOf, intOf, NULL_ARRAY_LOSS, type ParsedType, parseType, timestampOf } from './types.ts'

export type Fit =
  /** `type` is the column's type after the load; `widened` when it differs from what is there. */
  { fits: true; type: string; widened: boolean; loss?: string } | { fits: false; reason: string }

type Kept = Extract<Fit, { fits: true }>

interface Surroundings {
  /** The time zone of columns that name none. */
  serverZone: string
  /** The column belongs to the sorting, primary or partition key, whose types ClickHouse does not change. */
  inKey: boolean
  /** A merge key: a NULL is a fault of the row, not a reason to change the column. */
  isMergeKey: boolean
}

/** Whether a field fits an existing column: as it is, after a widening that loses nothing, or not at all. */
export function fitColumn(field: Field, existing: string, around: Surroundings): Fit {
  const parsed = parseType(existing)
  const value = fitValue(field.type, parsed, around.serverZone)
  if (!value.fits) return value
  const wide = parseType(value.type)
  let type = parsed.nullable && !wide.nullable ? (asNullable({ ...wide, lowCardinality: parsed.lowCardinality }) ?? value.type) : value.type
  let loss = value.loss
  if (field.nullable && !around.isMergeKey && !parseType(type).nullable) {
    const nullable = asNullable(parseType(type))
    if (nullable === undefined) loss = join(loss, NULL_ARRAY_LOSS)
    else if (around.inKey) return { fits: false, reason: 'it may be NULL, and a column of the sorting key cannot become Nullable' }
    else type = nullable
  }
  if (type !== existing && around.inKey) return { fits: false, reason: 'a column of the sorting key cannot be widened' }
  return { fits: true, type, widened: type !== existing, ...(join(field.loss, loss) ? { loss: join(field.loss, loss) } : {}) }
}

function fitValue(type: DataType, column: ParsedType, serverZone: string): Fit {
  const keep: Kept = { fits: true, type: column.text, widened: false }
  const no: Fit = { fits: false, reason: 'its values do not fit that type' }
  if (column.family === 'String' && !(type.kind === 'boolean' || type.kind === 'float')) return keep
  switch (type.kind) {
    case 'boolean':
      return column.family === 'Bool' ? keep : no
    case 'int':
      return fitInt(type, column, keep, no)
    case 'float':
      if (column.bare === 'Float64' || (column.bare === 'Float32' && type.bits === 32)) return keep
      return column.bare === 'Float32' ? { ...keep, type: rewrap(column, 'Float64') } : no
    case 'decimal':
      return fitDecimal(type, column, keep, no)
    case 'string':
    case 'bytes':
      if (column.family === 'FixedString') return { ...keep, loss: `shorter values are filled up with zero bytes to ${column.args[0]}` }
      return type.kind === 'string' && /^Enum(8|16)?$/.test(column.family) ? keep : no
    case 'date':
      if (column.bare === 'Date32') return { ...keep, loss: DATE_LOSS }
      return column.bare === 'Date' ? { ...keep, loss: 'only dates from 1970-01-01 to 2149-06-06' } : no
    case 'timestamp':
      return fitTimestamp(type, column, serverZone, keep, no)
    case 'uuid':
      return column.bare === 'UUID' ? keep : no
    case 'json':
      return column.family === 'JSON' ? { ...keep, loss: 'the JSON type drops NULL members and the order of keys' } : no
    case 'array':
      return column.bare === columnTypeOf(type).type ? keep : no
    case 'time':
      return no
  }
}

function fitInt(type: { bits: number; signed: boolean }, column: ParsedType, keep: Kept, no: Fit): Fit {
  const digits = integerDigits(type.bits)
  const decimal = decimalOf(column)
  if (decimal) {
    if (decimal.precision - decimal.scale >= digits) return keep
    return digits + decimal.scale <= 76 ? { ...keep, type: rewrap(column, `Decimal(${digits + decimal.scale}, ${decimal.scale})`) } : no
  }
  if (column.bare === 'Float64' || column.bare === 'Float32') return type.bits <= (column.bare === 'Float64' ? 32 : 16) ? keep : no
  const there = intOf(column)
  if (!there) return no
  if (holds(there, type)) return keep
  const signed = there.signed || type.signed
  const bits = [8, 16, 32, 64, 128, 256].find(
    (candidate) => holds({ bits: candidate, signed }, type) && holds({ bits: candidate, signed }, there),
  )
  return bits === undefined ? no : { fits: true, type: rewrap(column, `${signed ? '' : 'U'}Int${bits}`), widened: true }
}

function holds(outer: { bits: number; signed: boolean }, inner: { bits: number; signed: boolean }): boolean {
  if (outer.signed === inner.signed) return outer.bits >= inner.bits
  return outer.signed && outer.bits > inner.bits
}

/** Decimal digits of the largest integer of that many bits. */
function integerDigits(bits: number): number {
  return (2n ** BigInt(bits)).toString().length
}

function fitDecimal(type: { precision: number; scale: number }, column: ParsedType, keep: Kept, no: Fit): Fit {
  const there = decimalOf(column)
  if (!there) return no
  const scale = Math.max(there.scale, type.scale)
  const whole = Math.max(there.precision - there.scale, type.precision - type.scale)
  if (scale === there.scale && whole === there.precision - there.scale) return { ...keep, loss: 'no NaN or infinity' }
  if (scale + whole > 76) return no
  return { fits: true, type: rewrap(column, `Decimal(${scale + whole}, ${scale})`), widened: true, loss: 'no NaN or infinity' }
}

function fitTimestamp(type: { zoned: boolean; fractionDigits: number }, column: ParsedType, serverZone: string, keep: Kept, no: Fit): Fit {
  const there = timestampOf(column)
  if (!there) return no
  const zone = there.zone ?? serverZone
  if (!type.zoned && !/^(UTC|Etc\/UTC|GMT|Etc\/GMT|Zulu|Universal)$/i.test(zone)) {
    return { fits: false, reason: `it is a wall-clock time without zone, and the column is labelled ${zone}, which would shift it` }
  }
  if (column.family === 'DateTime' && type.fractionDigits === 0) return { ...keep, loss: 'only instants from 1970-01-01 to 2106-02-07' }
  const digits = Math.min(9, type.fractionDigits)
  const columnLoss = columnTypeOf({ kind: 'timestamp', zoned: type.zoned, fractionDigits: Math.max(digits, there.digits) }).loss
  if (column.family === 'DateTime64' && there.digits >= digits) return { ...keep, loss: columnLoss }
  return { fits: true, type: rewrap(column, `DateTime64(${Math.max(digits, there.digits)}, '${zone}')`), widened: true, loss: columnLoss }
}

function rewrap(column: ParsedType, bare: string): string {
  const inner = column.nullable ? `Nullable(${bare})` : bare
  return column.lowCardinality ? `LowCardinality(${inner})` : inner
}

function join(...losses: (string | undefined)[]): string | undefined {
  const given = losses.filter((loss) => loss !== undefined && loss !== '')
  return given.length ? given.join('; ') : undefined
}
