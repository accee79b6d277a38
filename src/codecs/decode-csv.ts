import type { CsvFormat, RecordBatch } from '../core/payload.ts'
import { type Schema, typeName } from '../core/schema.ts'
import { badData, shown } from './bad-data.ts'
import { BatchBuilder } from './batch-builder.ts'
import { columnNames } from './column-names.ts'
import { CsvRecords } from './csv-records.ts'
import { decodeText } from './decode-text.ts'
import { textReader } from './read-text.ts'

/** What a bad value means for a file whose types were inferred, and the way out. */
export const TYPE_REMEDY =
  'The type was inferred from a part of the data. Read the column as text (`text_columns=<name>`), or infer from everything (`infer=full`).'

export interface CsvInput {
  format: CsvFormat
  /** A name that TextDecoder knows; absent means UTF-8. */
  encoding?: string
  /** Columns in the order of the record, for bytes that do not begin with a header though `format.header` may be true for the file. */
  columns?: readonly string[]
}

/** Decodes CSV into batches of `schema`, whatever order the file's columns have. Record numbers in faults count data records from 1. */
export async function* decodeCsv(body: AsyncIterable<Uint8Array>, schema: Schema, input: CsvInput): AsyncGenerator<RecordBatch, void> {
  const { nullText } = input.format
  const batch = new BatchBuilder(schema.fields.length)
  const readers = schema.fields.map((field) => textReader(field.type))
  let order: number[] | undefined =
    input.columns !== undefined
      ? positions(schema, input.columns)
      : input.format.header
        ? undefined
        : schema.fields.map((_, index) => index)
  const headerRecords = order === undefined ? 1 : 0
  const records = new CsvRecords<string | null>(
    input.format,
    (text) => (text === nullText ? null : text),
    (text) => text,
    headerRecords,
  )
  const row: unknown[] = new Array(schema.fields.length)

  const add = (record: (string | null)[]) => {
    if (order === undefined) {
      order = positions(schema, columnNames(record.map((name) => name ?? '')).names)
      return
    }
    const number = records.count - headerRecords
    if (record.length !== order.length) {
      throw badData(
        `The record has ${record.length} fields where ${order.length} are expected`,
        'Quote fields that hold the delimiter, and check the delimiter and quote character.',
        { record: number },
      )
    }
    let bytes = 0
    for (let index = 0; index < record.length; index++) {
      const text = record[index] as string | null
      const target = order[index] as number
      if (text === null) {
        row[target] = null
        bytes += 8
        continue
      }
      const value = readers[target]?.(text)
      if (value === undefined) {
        const field = schema.fields[target]
        throw badData(`The value ${shown(text)} is no ${field ? typeName(field.type) : ''}`, TYPE_REMEDY, {
          record: number,
          column: field?.name,
        })
      }
      row[target] = value
      bytes += 16 + text.length
    }
    batch.add(row, bytes)
  }

  for await (const text of decodeText(body, input.encoding)) {
    for (const record of records.push(text)) {
      add(record)
      if (batch.isFull()) yield batch.take() as RecordBatch
    }
  }
  for (const record of records.end()) add(record)
  const rest = batch.take()
  if (rest) yield rest
}

/** Where each column of the record goes. The names must be those of the schema, in any order. */
export function positions(schema: Schema, columns: readonly string[]): number[] {
  const known = new Map(schema.fields.map((field, index) => [field.name, index]))
  const missing = schema.fields.filter((field) => !columns.includes(field.name)).map((field) => field.name)
  const unknown = columns.filter((name) => !known.has(name))
  if (missing.length > 0 || unknown.length > 0) {
    const parts = [missing.length > 0 && `lacks ${listed(missing)}`, unknown.length > 0 && `has ${listed(unknown)} besides`].filter(Boolean)
    throw badData(
      `The header differs from that of the other files: it ${parts.join(' and ')}`,
      'Give all files of one load the same columns, in any order, or load them one by one.',
      {
        column: missing[0] ?? unknown[0],
      },
    )
  }
  return columns.map((name) => known.get(name) as number)
}

function listed(names: readonly string[]): string {
  return names
    .slice(0, 10)
    .map((name) => shown(name))
    .join(', ')
}
