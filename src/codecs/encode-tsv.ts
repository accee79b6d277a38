import type { RecordBatch } from '../core/payload.ts'
import { type DataType, type Schema, typeName } from '../core/schema.ts'

/** Text collected before it becomes bytes: large enough to make few pieces, small beside a batch. */
const PIECE_CHARS = 128 * 1024

/**
 * Records as the tab separated text that both Postgres COPY and ClickHouse TabSeparated read: `\N` for null, backslash
 * escapes, one `\n` behind each row, columns in the order of the schema. Pulls one batch at a time.
 */
export function encodeTsv(schema: Schema, batches: AsyncIterable<RecordBatch>): ReadableStream<Uint8Array> {
  const pieces = encodePieces(schema, batches)
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await pieces.next()
        if (next.done) controller.close()
        else controller.enqueue(next.value)
      },
      async cancel() {
        await pieces.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
}

async function* encodePieces(schema: Schema, batches: AsyncIterable<RecordBatch>): AsyncGenerator<Uint8Array, undefined> {
  const encoder = new TextEncoder()
  const writers = schema.fields.map((field) => cellWriter(field.type))
  for await (const { rowCount, columns } of batches) {
    let text = ''
    for (let row = 0; row < rowCount; row++) {
      for (let index = 0; index < writers.length; index++) {
        const value = (columns[index] as ArrayLike<unknown>)[row]
        if (index > 0) text += '\t'
        text += value === null || value === undefined ? '\\N' : (writers[index] as CellWriter)(value)
      }
      text += '\n'
      if (text.length >= PIECE_CHARS) {
        yield encoder.encode(text)
        text = ''
      }
    }
    if (text !== '') yield encoder.encode(text)
  }
  return undefined
}

type CellWriter = (value: unknown) => string

function cellWriter(type: DataType): CellWriter {
  switch (type.kind) {
    // Their text forms hold no character that needs escaping.
    case 'boolean':
    case 'int':
    case 'float':
    case 'decimal':
    case 'bytes':
    case 'date':
    case 'time':
    case 'timestamp':
    case 'uuid':
      return (value) => textForm(value, type)
    default:
      return (value) => escapeTsv(textForm(value, type))
  }
}

const ESCAPED = /[\\\t\n\r\0]/
const ESCAPED_ALL = /[\\\t\n\r\0]/g

export function escapeTsv(text: string): string {
  return ESCAPED.test(text) ? text.replace(ESCAPED_ALL, escapeOne) : text
}

function escapeOne(character: string): string {
  switch (character) {
    case '\\':
      return '\\\\'
    case '\t':
      return '\\t'
    case '\n':
      return '\\n'
    case '\r':
      return '\\r'
    default:
      return '\\0'
  }
}

/** The text form of a value that is not null (see DataType), unescaped. */
export function textForm(value: unknown, type: DataType): string {
  switch (type.kind) {
    case 'boolean':
      return value ? 't' : 'f'
    case 'float':
      return type.bits === 32 ? float32Text(value as number) : String(value)
    case 'bytes':
      return hex(value as Uint8Array)
    case 'array':
      return arrayText(value as ArrayLike<unknown>, type.of)
    default:
      if (typeof value === 'object') throw new Error(`an object is no record form of ${typeName(type)}`)
      return String(value)
  }
}

/** Numbers and nested JSON go in as they are, so that no digit changes; all else as JSON strings of the text form. */
function arrayText(items: ArrayLike<unknown>, of: DataType): string {
  return `[${Array.from(items, (item) => itemText(item, of)).join(',')}]`
}

function itemText(item: unknown, of: DataType): string {
  if (item === null || item === undefined) return 'null'
  switch (of.kind) {
    case 'array':
      return arrayText(item as ArrayLike<unknown>, of.of)
    case 'boolean':
      return item ? 'true' : 'false'
    case 'int':
    case 'decimal':
    case 'json':
      return textForm(item, of)
    case 'float':
      return Number.isFinite(item) ? textForm(item, of) : JSON.stringify(String(item))
    default:
      return JSON.stringify(textForm(item, of))
  }
}

/** The fewest digits that still name this 32-bit float. */
function float32Text(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) return String(value)
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits)
    if (Math.fround(Number(text)) === value) return String(Number(text))
  }
  return String(Number(value.toPrecision(9)))
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

function hex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX[byte]
  return text
}
