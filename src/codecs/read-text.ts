import { type DataType, typeName } from '../core/schema.ts'

/** The record form of a text, or undefined when the text is not of the type. */
export type TextReader = (text: string) => unknown

const INTEGER = /^-?\d+$/
const FLOAT = /^-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/
const PLAIN = /^(-?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/
const DATE = /^(\d{4})-(\d{2})-(\d{2})$/
const TIME = /^(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?$/
const TIMESTAMP = /^(\d{4})-(\d{2})-(\d{2})[ T](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|z|[+-]\d{2}(?::?\d{2})?)?$/
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Reads the text form of `type`, and the wider forms that files use: `true`, ISO timestamps with `T`, `Z` or an offset. */
export function textReader(type: DataType): TextReader {
  switch (type.kind) {
    case 'boolean':
      return readBoolean
    case 'int':
      return intReader(type.bits, type.signed)
    case 'float':
      return readFloat
    case 'decimal':
      return (text) => readDecimal(text, type.precision, type.scale)
    case 'string':
      return (text) => text
    case 'json':
      return (text) => (isJson(text) ? text : undefined)
    case 'bytes':
      return readHex
    case 'date':
      return (text) => (isDate(text) ? text : undefined)
    case 'time':
      return (text) => (TIME.test(text) ? text : undefined)
    case 'timestamp':
      return (text) => readTimestamp(text, type.zoned, type.fractionDigits)
    case 'uuid':
      return (text) => (UUID.test(text.toLowerCase()) ? text.toLowerCase() : undefined)
    case 'array':
      return () => {
        throw new Error(`no text reader for ${typeName(type)}`)
      }
  }
}

export function isDate(text: string): boolean {
  const parts = DATE.exec(text)
  return parts !== null && isDay(Number(parts[1]), Number(parts[2]), Number(parts[3]))
}

export interface TimestampText {
  zoned: boolean
  fractionDigits: number
  /** Normalized: a blank between date and time, in UTC with `+00` when zoned. */
  text: string
}

export function parseTimestamp(text: string): TimestampText | undefined {
  const parts = TIMESTAMP.exec(text)
  if (!parts) return undefined
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [number, number, number, number, number, number]
  if (!isDay(year, month, day) || hour > 23 || minute > 59 || second > 59) return undefined
  const fraction = parts[7] ?? ''
  const zone = parts[8]
  const tail = fraction === '' ? '' : `.${fraction}`
  if (zone === undefined)
    return { zoned: false, fractionDigits: fraction.length, text: `${text.slice(0, 10)} ${text.slice(11, 19)}${tail}` }
  const offset = offsetMinutes(zone)
  if (offset === undefined) return undefined
  if (offset === 0) return { zoned: true, fractionDigits: fraction.length, text: `${text.slice(0, 10)} ${text.slice(11, 19)}${tail}+00` }
  const moment = new Date(0)
  moment.setUTCFullYear(year, month - 1, day)
  moment.setUTCHours(hour, minute - offset, second)
  // Shifted out of the years 0000–9999, which have no text form.
  if (moment.getUTCFullYear() < 0 || moment.getUTCFullYear() > 9999) return undefined
  const iso = moment.toISOString()
  return { zoned: true, fractionDigits: fraction.length, text: `${iso.slice(0, 10)} ${iso.slice(11, 19)}${tail}+00` }
}

/** Plain decimal digits with at most `scale` after the point and `precision` in all; undefined when digits would be lost. */
export function readDecimal(text: string, precision: number, scale: number): string | undefined {
  const parts = PLAIN.exec(text)
  if (!parts) return undefined
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = parts
  if (whole === '' && fraction === '') return undefined
  const digits = whole + fraction
  const point = whole.length + Number(exponent)
  const before = (point > 0 ? digits.slice(0, point).padEnd(point, '0') : '').replace(/^0+(?=\d)/, '') || '0'
  const after = (point < 0 ? '0'.repeat(-point) + digits : digits.slice(Math.max(0, point))).replace(/0+$/, '')
  if (after.length > scale || (before === '0' ? 0 : before.length) > precision - scale) return undefined
  const plain = after === '' ? before : `${before}.${after}`
  return sign && /[1-9]/.test(plain) ? `-${plain}` : plain
}

function readBoolean(text: string): boolean | undefined {
  switch (text.toLowerCase()) {
    case 'true':
    case 't':
      return true
    case 'false':
    case 'f':
      return false
    default:
      return undefined
  }
}

function intReader(bits: number, signed: boolean): TextReader {
  if (bits <= 32) {
    const least = signed ? -(2 ** (bits - 1)) : 0
    const most = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1
    return (text) => {
      const value = INTEGER.test(text) ? Number(text) : Number.NaN
      return value >= least && value <= most ? value : undefined
    }
  }
  const least = signed ? -(2n ** BigInt(bits - 1)) : 0n
  const most = signed ? 2n ** BigInt(bits - 1) - 1n : 2n ** BigInt(bits) - 1n
  // The longest number that fits has fewer digits; without this a hostile value costs quadratic time.
  const longest = most.toString().length + 1
  return (text) => {
    if (!INTEGER.test(text) || (text.length > longest && text.replace(/^-?0*/, '').length > longest)) return undefined
    const value = BigInt(text)
    return value >= least && value <= most ? value : undefined
  }
}

function readFloat(text: string): number | undefined {
  if (FLOAT.test(text)) {
    const value = Number(text)
    return Number.isFinite(value) && keepsValue(text, value) ? value : undefined
  }
  switch (text.toLowerCase()) {
    case 'nan':
      return Number.NaN
    case 'inf':
    case 'infinity':
      return Number.POSITIVE_INFINITY
    case '-inf':
    case '-infinity':
      return Number.NEGATIVE_INFINITY
    default:
      return undefined
  }
}

/** Whether a double carries what the digits say: 17 significant digits name a double, whole numbers must be exact. */
export function keepsValue(text: string, value: number): boolean {
  if (text.length <= 15) return true
  const digits = text
    .replace(/[eE].*$/, '')
    .replace(/[-.]/g, '')
    .replace(/^0+/, '')
  if (INTEGER.test(text)) return digits.length <= 400 && BigInt(value) === BigInt(text)
  return digits.replace(/0+$/, '').length <= 17
}

function readTimestamp(text: string, zoned: boolean, fractionDigits: number): string | undefined {
  const parsed = parseTimestamp(text)
  return parsed && parsed.zoned === zoned && parsed.fractionDigits <= fractionDigits ? parsed.text : undefined
}

function readHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined
  const bytes = new Uint8Array(text.length / 2)
  for (let index = 0; index < bytes.length; index++) bytes[index] = Number.parseInt(text.slice(index * 2, index * 2 + 2), 16)
  return bytes
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function isDay(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1) return false
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return day <= (leap ? 29 : (DAYS[month - 1] ?? 0))
}

function offsetMinutes(zone: string): number | undefined {
  if (zone === 'Z' || zone === 'z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(3).replace(':', '') || '0')
  if (hours > 15 || minutes > 59) return undefined
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes)
}
