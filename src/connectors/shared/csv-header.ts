import { badData } from '../../codecs/bad-data.ts'
import { columnNames } from '../../codecs/column-names.ts'
import { firstRecordEnd, headerLine } from '../../codecs/csv-cut.ts'
import { positions } from '../../codecs/decode-csv.ts'
import { firstRecord } from '../../codecs/infer-csv.ts'
import type { CsvFormat } from '../../core/payload.ts'
import type { Schema } from '../../core/schema.ts'
import { FILE_SAMPLE_BYTES } from '../../limits.ts'

/** Splits the beginning of a CSV file off its bytes. */
export interface CsvStart {
  /** The columns in the order of this file. */
  columns: string[]
  /** Data that came with the header. */
  rest: Uint8Array
}

/** Finds the header in the first bytes and checks it against the schema; undefined: more bytes are needed. */
export function csvStart(bytes: Uint8Array, whole: boolean, format: CsvFormat, schema: Schema): CsvStart | undefined {
  const body = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
  if (!format.header) return { columns: schema.fields.map((field) => field.name), rest: body }
  const end = firstRecordEnd(body, format) ?? (whole ? body.length : undefined)
  if (end === undefined) {
    if (bytes.length > FILE_SAMPLE_BYTES) throw badData('The header does not end', 'State the quote character and delimiter of the file.')
    return undefined
  }
  const header = firstRecord(new TextDecoder().decode(body.subarray(0, end)), true, format)
  if (!header) throw badData('The file is empty: it has not even a header', 'Leave empty files out of the pattern.')
  const { names } = columnNames(header)
  positions(schema, names)
  return { columns: names, rest: body.subarray(end) }
}

/** What every chunk of CSV begins with, so that names bind the columns whatever their order. */
export function csvPrefix(columns: readonly string[], format: CsvFormat): Uint8Array {
  return headerLine(columns, format)
}
