import type { ByteFormat } from '../../core/payload.ts'
import type { DataType } from '../../core/schema.ts'
import { quoteName, quoteText } from './quoting.ts'
import { type ParsedType, parseType, timestampOf } from './types.ts'

/**
 * How one column of an INSERT is read. ClickHouse's own parsers change values silently (integers wrap, dates clamp and
 * roll over, digits of decimals are cut, empty text and NULL become 0), so a column is declared as `inputType`, wide
 * enough to see what arrived, and converted by `value`; where `bad` is true `value` is not what arrived.
 */
export interface ColumnReading {
  inputType: string
  value: string
  bad?: string
  /** Text of what arrived, for the message. */
  shown: string
}

export interface ReadingContext {
  encoding: ByteFormat['encoding']
  unrepresentable: 'fail' | 'null'
}

export interface ReadColumn {
  name: string
  /** Type of the destination column. */
  type: string
  source: DataType
}

export function readColumn(column: ReadColumn, context: ReadingContext): ColumnReading {
  const dest = parseType(column.type)
  const name = quoteName(column.name)
  if (context.encoding === 'parquet') return readTyped(column.source, dest, name)
  if (context.encoding === 'tsv' && context.unrepresentable === 'fail') {
    const fast = readTrusted(column.source, dest, name)
    if (fast) return fast
  }
  return { inputType: 'Nullable(String)', shown: name, ...guard(name, fromText(name, column.source, dest)) }
}

/**
 * Tab-separated text comes from a typed column, in the text form of its type, so only what that type holds and the
 * destination's does not has to be caught; ClickHouse's fast parsers do the rest.
 */
function readTrusted(source: DataType, dest: ParsedType, name: string): ColumnReading | undefined {
  switch (source.kind) {
    case 'boolean':
    case 'uuid':
      return dest.bare === 'Bool' || dest.bare === 'UUID' ? plain(dest.bare, name) : undefined
    case 'float':
      return plain(dest.bare, name)
    case 'int': {
      const own = `${source.signed ? '' : 'U'}Int${source.bits}`
      const wide = source.bits < 64 ? 'Int64' : own
      if (dest.bare === wide) return plain(wide, name)
      return dest.family === 'String' ? undefined : convert(wide, name, dest)
    }
    case 'decimal': {
      if (dest.family !== 'Decimal') return undefined
      // NaN, infinity and too many digits before the point are errors of this parser; digits behind it fit by declaration.
      return plain(dest.bare, name)
    }
    case 'date':
      if (dest.bare !== 'Date32' && dest.bare !== 'Date') return undefined
      return {
        inputType: "Nullable(DateTime64(6, 'UTC'))",
        value: `to${dest.bare}(${name})`,
        bad: `NOT ifNull(${inDateRange(name, dest.bare)}, 1)`,
        shown: `substring(toString(${name}), 1, 10)`,
      }
    case 'timestamp':
      if (dest.family !== 'DateTime64' || (timestampOf(dest)?.digits ?? 0) < source.fractionDigits) return undefined
      return plain(`DateTime64(${timestampOf(dest)?.digits ?? 6}, 'UTC')`, name)
    default:
      return undefined
  }
}

/** Parquet brings types of its own; the declared one is the source's, the conversion to the column is checked. */
function readTyped(source: DataType, dest: ParsedType, name: string): ColumnReading {
  switch (source.kind) {
    case 'int':
      return convert(`${source.signed ? '' : 'U'}Int${Math.max(64, source.bits)}`, name, dest)
    case 'decimal':
      return convert(`Decimal(${Math.min(76, source.precision)}, ${Math.min(76, source.scale)})`, name, dest)
    case 'date':
      return convert('Date32', name, dest)
    case 'timestamp':
      return convert(`DateTime64(${Math.min(9, source.fractionDigits)}, 'UTC')`, name, dest)
    case 'array':
      return { inputType: dest.text, value: name, shown: `toString(${name})` }
    case 'float':
      return plain(dest.bare, name)
    case 'boolean':
      return plain('Bool', name)
    case 'uuid':
      return dest.bare === 'UUID' ? plain('UUID', name) : plain('String', name)
    default:
      return plain('String', name)
  }
}

function plain(type: string, name: string): ColumnReading {
  return { inputType: `Nullable(${type})`, value: name, shown: `toString(${name})` }
}

function convert(type: string, name: string, dest: ParsedType): ColumnReading {
  if (type === dest.bare) return plain(type, name)
  const value = `accurateCastOrNull(${name}, ${quoteText(dest.bare)})`
  return { inputType: `Nullable(${type})`, value, bad: `isNull(${value}) AND isNotNull(${name})`, shown: `toString(${name})` }
}

interface Conversion {
  value: string
  bad?: string
}

/** NULL stays NULL whatever a check says of it. */
function guard(name: string, conversion: Conversion): Conversion {
  return conversion.bad === undefined ? conversion : { value: conversion.value, bad: `isNotNull(${name}) AND (${conversion.bad})` }
}

/** From the text form, checked completely. `text` is an expression of type (Nullable) String. */
function fromText(text: string, source: DataType, dest: ParsedType): Conversion {
  if (source.kind === 'array' && dest.family === 'Array') return fromJsonArray(text, source.of, dest)
  if (source.kind === 'bytes') return { value: `unhex(${text})`, bad: `length(${text}) % 2 = 1 OR NOT match(${text}, '^[0-9a-fA-F]*$')` }
  const cast = `accurateCastOrNull(${text}, ${quoteText(dest.bare)})`
  switch (dest.family) {
    case 'String':
      return { value: text }
    case 'FixedString':
      return { value: `toFixedString(${text}, ${dest.args[0]})`, bad: `length(${text}) > ${dest.args[0]}` }
    case 'JSON':
      return { value: cast, bad: `NOT isValidJSON(${text})` }
    case 'Float32':
    case 'Float64':
      return floatFromText(text, dest.family)
    case 'Decimal': {
      const [precision, scale] = [Number(dest.args[0]), Number(dest.args[1] ?? 0)]
      const whole = precision - scale
      return { value: cast, bad: `NOT match(${text}, '^[+-]?0*[0-9]${whole === 0 ? '{0}' : `{1,${whole}}`}([.][0-9]{0,${scale}}0*)?$')` }
    }
    case 'Date32':
    case 'Date':
      return { value: `to${dest.family}OrNull(${text})`, bad: `ifNull(toString(to${dest.family}OrNull(${text})) != ${text}, 1)` }
    case 'DateTime':
    case 'DateTime64':
      return timestampFromText(text, source, dest)
    default:
      return { value: cast, bad: `isNull(${cast})` }
  }
}

/** The cast of text to float is off by one in the last digit now and then; the JSON parser is exact. */
function floatFromText(text: string, family: string): Conversion {
  const named = `if(match(${text}, '^[+-]?(?i:nan|inf|infinity)$'), accurateCastOrNull(${text}, 'Float64'), NULL)`
  const wide = `ifNull(JSONExtract(assumeNotNull(${text}), 'Nullable(Float64)'), ${named})`
  if (family === 'Float64') return { value: wide, bad: `isNull(${wide})` }
  return { value: `toFloat32(${wide})`, bad: `isNull(${wide}) OR (isInfinite(toFloat32(${wide})) AND NOT isInfinite(${wide}))` }
}

function timestampFromText(text: string, source: DataType, dest: ParsedType): Conversion {
  const digits = timestampOf(dest)?.digits ?? 0
  const zoned = source.kind === 'timestamp' && source.zoned
  const shape = `'^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{0,${digits}}0*)?)?${zoned ? '( ?(Z|[+-][0-9]{2}(:?[0-9]{2})?))?' : ''})?$'`
  // With no digits after the point this function clamps to 1970 … 2106 without a word.
  const read = `parseDateTime64BestEffortOrNull(${text}, ${Math.max(3, digits)}, 'UTC')`
  const misread = `isNull(${read}) OR NOT match(${text}, ${shape})`
  if (dest.family === 'DateTime64') return { value: read, bad: misread }
  return {
    value: `toDateTime(${read})`,
    bad: `${misread} OR ifNull(${read} < toDateTime64('1970-01-01', 3, 'UTC') OR ${read} >= toDateTime64('2106-02-07 06:28:15', 3, 'UTC'), 1)`,
  }
}

function inDateRange(name: string, type: string): string {
  const [from, before] = type === 'Date32' ? ['1900-01-01', '2300-01-01'] : ['1970-01-01', '2149-06-07']
  return `${name} >= toDateTime64('${from}', 6, 'UTC') AND ${name} < toDateTime64('${before}', 6, 'UTC')`
}

/** A JSON array in text: items are taken raw, so that no number is rounded, and each is checked like a value of its own. */
function fromJsonArray(text: string, of: DataType, dest: ParsedType, depth = 0): Conversion {
  const whole = `ifNull(${text}, '[]')`
  const item = parseType(dest.args[0] ?? 'Nullable(String)')
  const raw = `r${depth}`
  const unquoted = `if(startsWith(${raw}, '"'), JSONExtractString(concat('[', ${raw}, ']'), 1), ${raw})`
  const inner =
    of.kind === 'array' && item.family === 'Array'
      ? fromJsonArray(`if(${raw} = 'null', '[]', ${raw})`, of.of, item, depth + 1)
      : fromText(`toNullable(${unquoted})`, of, item)
  const items = `JSONExtractArrayRaw(${whole})`
  const value = of.kind === 'array' ? inner.value : `if(${raw} = 'null', NULL, ${inner.value})`
  const badItem = inner.bad === undefined ? '' : ` OR arrayExists(${raw} -> ${raw} != 'null' AND (${inner.bad}), ${items})`
  return {
    value: `arrayMap(${raw} -> ${value}, ${items})`,
    bad: `NOT (startsWith(${whole}, '[') AND isValidJSON(${whole}))${badItem}`,
  }
}
