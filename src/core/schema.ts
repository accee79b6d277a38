/**
 * What a column holds, in words no system owns. A source says which of these its columns are, a destination says
 * which of its own types holds each. The *text form* of a value is how it travels in `csv` and `tsv` bytes; it is
 * fixed here so that a source and a destination that never heard of each other agree byte for byte.
 */
export type DataType =
  /** Text form `t` or `f`. Record form boolean. */
  | { kind: 'boolean' }
  /** Text form: decimal digits. Record form: number up to 32 bits, bigint above. */
  | { kind: 'int'; bits: 8 | 16 | 32 | 64 | 128 | 256; signed: boolean }
  /** Text form: shortest round-trip decimal, `NaN`, `Infinity`, `-Infinity`. Record form number. */
  | { kind: 'float'; bits: 32 | 64 }
  /** Text form: plain decimal digits, at most `scale` of them after the point. Record form string. */
  | { kind: 'decimal'; precision: number; scale: number }
  /** Text form: the text itself. Also carries exact values no narrower kind can hold. */
  | { kind: 'string' }
  /** Text form: lower-case hex without prefix. Record form Uint8Array. */
  | { kind: 'bytes' }
  /** Text form `YYYY-MM-DD`. Record form the same text. */
  | { kind: 'date' }
  /** Wall-clock time of day, text form `HH:MM:SS[.ffffff]`. Record form the same text. */
  | { kind: 'time' }
  /**
   * Text form `YYYY-MM-DD HH:MM:SS[.f…]`, with `+00` behind it when zoned (an instant, always given in UTC).
   * `fractionDigits` is how many digits the source keeps. Record form the same text.
   */
  | { kind: 'timestamp'; zoned: boolean; fractionDigits: number }
  /** Text form: lower case with dashes. */
  | { kind: 'uuid' }
  /** Text form: the JSON text as the source keeps it. Record form the same text. */
  | { kind: 'json' }
  /** Text form: a JSON array whose items follow `of` (text forms as JSON strings unless number, boolean or null). Record form array. */
  | { kind: 'array'; of: DataType }

export interface Field {
  name: string
  type: DataType
  nullable: boolean
  /** The source's own name of the type, for plans and error messages. */
  sourceType?: string
  /** What this mapping cannot keep, in words for the user. Absent means nothing is lost. */
  loss?: string
}

export interface Schema {
  fields: Field[]
}

/** A short readable name: `decimal(10,2)`, `array(int32)`. For plans, messages and the schema document. */
export function typeName(type: DataType): string {
  switch (type.kind) {
    case 'int':
      return `${type.signed ? 'int' : 'uint'}${type.bits}`
    case 'float':
      return `float${type.bits}`
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'timestamp':
      return `timestamp${type.zoned ? 'tz' : ''}(${type.fractionDigits})`
    case 'array':
      return `array(${typeName(type.of)})`
    default:
      return type.kind
  }
}
