import type { RecordBatch } from '../core/payload.ts'
import { type Field, type Schema, typeName } from '../core/schema.ts'
import { badData, shown } from './bad-data.ts'
import { BatchBuilder } from './batch-builder.ts'
import { RECORD_MAX_CHARS } from './csv-records.ts'
import { TYPE_REMEDY } from './decode-csv.ts'
import { decodeText } from './decode-text.ts'
import { parseLine } from './json-line.ts'
import { readDecimal, textReader } from './read-text.ts'

/** Decodes one JSON object per line into batches of `schema`; an absent key is null, a key the schema lacks is a fault. */
export async function* decodeJsonl(body: AsyncIterable<Uint8Array>, schema: Schema): AsyncGenerator<RecordBatch, void> {
  const batch = new BatchBuilder(schema.fields.length)
  const readers = schema.fields.map(jsonReader)
  const positions = new Map(schema.fields.map((field, index) => [field.name, index]))
  const row: unknown[] = new Array(schema.fields.length)
  let record = 0
  for await (const line of jsonLines(body)) {
    record++
    row.fill(null)
    for (const [key, raw] of parseLine(line, record)) {
      const position = positions.get(key)
      if (position === undefined) {
        throw badData(
          `The key ${shown(key)} was not seen when the columns were inferred`,
          'Infer the columns from everything (`infer=full`).',
          { record, column: key },
        )
      }
      if (raw === 'null') continue
      const value = readers[position]?.(raw, record)
      if (value === undefined) {
        const field = schema.fields[position] as Field
        throw badData(`The value ${shown(raw)} is no ${typeName(field.type)}`, TYPE_REMEDY, { record, column: key })
      }
      row[position] = value
    }
    batch.add(row, line.length + 16 * row.length)
    if (batch.isFull()) yield batch.take() as RecordBatch
  }
  const rest = batch.take()
  if (rest) yield rest
}

/** Lines that hold more than white space. */
export async function* jsonLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  let pieces: string[] = []
  let held = 0
  let count = 0
  for await (const text of decodeText(body)) {
    let at = 0
    for (;;) {
      const newline = text.indexOf('\n', at)
      if (newline < 0) break
      pieces.push(text.slice(at, newline))
      const line = pieces.length === 1 ? (pieces[0] as string) : pieces.join('')
      pieces = []
      held = 0
      count++
      if (line.trim() !== '') yield line
      at = newline + 1
    }
    if (at < text.length) {
      pieces.push(text.slice(at))
      held += text.length - at
      if (held > RECORD_MAX_CHARS) {
        throw badData(`A line is longer than ${RECORD_MAX_CHARS} characters`, 'Write one JSON object per line.', { record: count + 1 })
      }
    }
  }
  const last = pieces.join('')
  if (last.trim() !== '') yield last
}

type JsonReader = (raw: string, record: number) => unknown

/** From the source text of a JSON value (not null) to its record form; undefined when it is not of the type. */
function jsonReader({ name, type }: Field): JsonReader {
  const fromText = type.kind === 'array' || type.kind === 'json' ? undefined : textReader(type)
  switch (type.kind) {
    case 'boolean':
      return (raw) => (raw === 'true' ? true : raw === 'false' ? false : undefined)
    case 'int':
      return (raw) => {
        if (!isNumber(raw)) return undefined
        // `1.0` and `1e3` are whole numbers too.
        const plain = /^-?\d+$/.test(raw) ? raw : readDecimal(raw, 80, 0)
        return plain === undefined ? undefined : fromText?.(plain)
      }
    case 'float':
    case 'decimal':
      return (raw) => (isNumber(raw) ? fromText?.(raw) : undefined)
    case 'json':
      return (raw) => raw
    case 'string':
      return (raw, record) => (raw[0] === '"' ? wellFormed(JSON.parse(raw) as string, record, name) : raw)
    case 'array':
      return (raw) => {
        const value: unknown = JSON.parse(raw)
        return Array.isArray(value) ? value : undefined
      }
    default:
      return (raw) => (raw[0] === '"' ? fromText?.(JSON.parse(raw) as string) : undefined)
  }
}

function isNumber(raw: string): boolean {
  const code = raw.charCodeAt(0)
  return code === 45 || (code >= 48 && code <= 57)
}

function wellFormed(text: string, record: number, column: string): string {
  if (text.isWellFormed()) return text
  throw badData('The text holds half of a surrogate pair, which no encoding can carry', 'Write the character whole, or leave it out.', {
    record,
    column,
  })
}
