import { IngestError } from '../../core/errors.ts'
import type { ByteFormat } from '../../core/payload.ts'
import { VALUE_MAX_CHARS } from './faults.ts'
import type { Settings } from './http.ts'
import { quoteName, quoteText } from './quoting.ts'
import { type ColumnReading, type ReadColumn, readColumn } from './read-column.ts'
import { parseType } from './types.ts'

/** A column of a stage that lists which columns of the row became NULL; dropped again before the stage counts as written. */
export const NULLED_COLUMN = '_sluice_nulled'

/** Every parser that would replace, trim, skip or guess is switched off. */
const READ_SETTINGS: Settings = {
  date_time_input_format: 'best_effort',
  precise_float_parsing: 1,
  input_format_null_as_default: 0,
  insert_null_as_default: 0,
  input_format_skip_unknown_fields: 0,
  input_format_allow_errors_num: 0,
  input_format_allow_errors_ratio: 0,
  throw_on_max_partitions_per_insert_block: 0,
  short_circuit_function_evaluation: 'enable',
  session_timezone: 'UTC',
}

export interface InsertPlan {
  statement: string
  settings: Settings
  /** Whether the statement fills `NULLED_COLUMN`. */
  countsNulled: boolean
}

/** The INSERT of one chunk of bytes. `table` is quoted. */
export function insertStatement(
  table: string,
  columns: readonly ReadColumn[],
  format: ByteFormat,
  unrepresentable: 'fail' | 'null',
): InsertPlan {
  const readings = columns.map((column) => ({ column, reading: readColumn(column, { encoding: format.encoding, unrepresentable }) }))
  const nulled: string[] = []
  const values = readings.map(({ column, reading }, index) => {
    if (reading.bad === undefined) return reading.value
    const nullable = parseType(column.type).nullable
    if (unrepresentable === 'null' && nullable) {
      nulled.push(`if(${reading.bad}, ${index + 1}, 0)`)
      return `if(${reading.bad}, NULL, ${reading.value})`
    }
    return `if(${reading.bad}, ${refuse(index, reading, column.type)}, ${reading.value})`
  })
  const names = columns.map((column) => quoteName(column.name))
  if (nulled.length > 0) {
    names.push(quoteName(NULLED_COLUMN))
    values.push(`arrayFilter(i -> i > 0, [${nulled.join(', ')}])::Array(UInt16)`)
  }
  const structure = readings.map(({ column, reading }) => `${quoteName(column.name)} ${reading.inputType}`).join(', ')
  const { name, settings } = formatOf(format)
  return {
    statement: `INSERT INTO ${table} (${names.join(', ')}) SELECT ${values.join(', ')} FROM input(${quoteText(structure)}) FORMAT ${name}`,
    settings: { ...READ_SETTINGS, ...settings },
    countsNulled: nulled.length > 0,
  }
}

/** An expression of the column's type that fails with the column's number and the beginning of the value (see faults.ts). */
function refuse(index: number, reading: ColumnReading, type: string): string {
  const text = `substring(ifNull(${reading.shown}, ''), 1, ${VALUE_MAX_CHARS})`
  const failing = `toString(toInt8(concat('sluice:${index}:', ${text})))`
  const { bare, family } = parseType(type)
  return family === 'Array' || family === 'JSON'
    ? `JSONExtract(${failing}, ${quoteText(bare)})`
    : `accurateCastOrNull(${failing}, ${quoteText(bare)})`
}

function formatOf(format: ByteFormat): { name: string; settings: Settings } {
  switch (format.encoding) {
    case 'tsv':
      return { name: 'TabSeparated', settings: {} }
    case 'jsonl':
      return {
        name: 'JSONEachRow',
        settings: { input_format_json_read_numbers_as_strings: 1, input_format_json_read_objects_as_strings: 1 },
      }
    case 'parquet':
      return {
        name: 'Parquet',
        settings: { input_format_parquet_allow_missing_columns: 1, input_format_parquet_case_insensitive_column_matching: 0 },
      }
    case 'csv':
      return csvFormat(format)
  }
}

function csvFormat(format: ByteFormat): { name: string; settings: Settings } {
  const csv = format.csv
  if (!csv) throw new IngestError({ tag: 'internal', message: 'CSV bytes came without their dialect' })
  if (csv.delimiter.length !== 1 || !['"', "'", ''].includes(csv.quote)) {
    throw new IngestError({
      tag: 'unsupported',
      message: `ClickHouse does not read CSV with delimiter ${JSON.stringify(csv.delimiter)} and quote ${JSON.stringify(csv.quote)}`,
      place: { side: 'destination', system: 'clickhouse' },
      remedy: 'Use a delimiter of one character and " or \' as quote.',
    })
  }
  return {
    name: csv.header ? 'CSVWithNames' : 'CSV',
    settings: {
      format_csv_delimiter: csv.delimiter,
      input_format_csv_allow_whitespace_or_tab_as_delimiter: /\s/.test(csv.delimiter) ? 1 : 0,
      format_csv_allow_double_quotes: csv.quote === '"' ? 1 : 0,
      format_csv_allow_single_quotes: csv.quote === "'" ? 1 : 0,
      format_csv_null_representation: csv.nullText,
      input_format_csv_empty_as_default: 0,
      input_format_csv_skip_trailing_empty_lines: 1,
      input_format_csv_trim_whitespaces: 0,
      input_format_csv_allow_variable_number_of_columns: 0,
      input_format_with_names_use_header: 1,
    },
  }
}
