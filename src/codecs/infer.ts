import type { DataType } from '../core/schema.ts'
import { isDate, keepsValue, parseTimestamp } from './read-text.ts'

type TextClass = 'boolean' | 'int' | 'big-int' | 'float' | 'date' | 'timestamp' | 'timestamptz' | 'text'

const INT64_MOST = 2n ** 63n - 1n
const INT64_LEAST = -(2n ** 63n)
/** Every destination keeps days of these years; outside them some clamp without a word. */
const YEAR_LEAST = 1900
const YEAR_MOST = 2299

/** What the values of one column have in common. Order does not matter, and guesses of several files can be fed in turn. */
export class TypeGuess {
  /** Values seen, without nulls. */
  count = 0
  /** Objects or arrays were seen. */
  nested = false
  private readonly classes = new Set<TextClass>()
  private integerDigits = 0
  private fractionDigits = 0
  private largeInteger = false

  /** A value of a CSV field. */
  text(value: string): void {
    this.count++
    this.note(value, classify(value))
  }

  /** The source text of a JSON value, not null. JSON says itself what is text, so text is only ever text, date or timestamp. */
  json(raw: string): void {
    this.count++
    const first = raw.charCodeAt(0)
    if (first === 34) {
      const value = JSON.parse(raw) as string
      const kind = classify(value)
      this.note(value, kind === 'date' || kind === 'timestamp' || kind === 'timestamptz' ? kind : 'text')
    } else if (raw === 'true' || raw === 'false') this.note(raw, 'boolean')
    else if (first === 123 || first === 91) this.nested = true
    else this.note(raw, jsonNumberClass(raw))
  }

  /** Values of several kinds came together, so that only text or JSON holds them all. */
  mixed(): boolean {
    return (this.nested && this.classes.size > 0) || (this.classes.size > 1 && this.type().kind === 'string')
  }

  type(): DataType {
    const { classes } = this
    if (this.nested) return { kind: 'json' }
    const only = (...kinds: TextClass[]) => classes.size > 0 && [...classes].every((kind) => kinds.includes(kind))
    if (only('boolean')) return { kind: 'boolean' }
    if (only('int')) return { kind: 'int', bits: 64, signed: true }
    if (only('int', 'big-int') && this.integerDigits <= 38) return { kind: 'decimal', precision: 38, scale: 0 }
    // A float keeps whole numbers only up to 2^53.
    if (only('int', 'float') && !this.largeInteger) return { kind: 'float', bits: 64 }
    if (only('date')) return { kind: 'date' }
    const fractionDigits = this.fractionDigits > 6 ? 9 : 6
    if (only('timestamp')) return { kind: 'timestamp', zoned: false, fractionDigits }
    if (only('timestamptz')) return { kind: 'timestamp', zoned: true, fractionDigits }
    return { kind: 'string' }
  }

  private note(value: string, kind: TextClass): void {
    this.classes.add(kind)
    if (kind === 'int' || kind === 'big-int') {
      const digits = value.length - (value[0] === '-' ? 1 : 0)
      this.integerDigits = Math.max(this.integerDigits, digits)
      if (digits > 15 && !Number.isSafeInteger(Number(value))) this.largeInteger = true
    } else if (kind === 'timestamp' || kind === 'timestamptz') {
      this.fractionDigits = Math.max(this.fractionDigits, parseTimestamp(value)?.fractionDigits ?? 0)
    }
  }
}

/** A leading zero, a plus, a thousands separator or a blank makes a value text: read as a number it could not be given back. */
function classify(value: string): TextClass {
  const code = value.charCodeAt(0)
  if ((code >= 48 && code <= 57) || code === 45) {
    if (/^-?(?:0|[1-9]\d*)$/.test(value) && value !== '-0') return integerClass(value)
    if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(value)) return floatClass(value)
    if (value.length >= 10 && value[4] === '-') {
      if (value.length === 10) return isDate(value) && keptYear(value) ? 'date' : 'text'
      const parsed = parseTimestamp(value)
      if (parsed && keptYear(value)) return parsed.zoned ? 'timestamptz' : 'timestamp'
    }
    return 'text'
  }
  if (value.length <= 9) {
    switch (value.toLowerCase()) {
      case 'true':
      case 'false':
        return 'boolean'
      case 'nan':
      case 'infinity':
      case '-infinity':
        return 'float'
    }
  }
  return 'text'
}

function jsonNumberClass(raw: string): TextClass {
  return /^-?\d+$/.test(raw) && raw !== '-0' ? integerClass(raw) : floatClass(raw)
}

function integerClass(value: string): TextClass {
  if (value.length < 19) return 'int'
  if (value.length > 39) return 'big-int'
  const number = BigInt(value)
  return number <= INT64_MOST && number >= INT64_LEAST ? 'int' : 'big-int'
}

function floatClass(value: string): TextClass {
  const number = Number(value)
  return Number.isFinite(number) && keepsValue(value, number) ? 'float' : 'text'
}

function keptYear(value: string): boolean {
  const year = Number(value.slice(0, 4))
  return year >= YEAR_LEAST && year <= YEAR_MOST
}
