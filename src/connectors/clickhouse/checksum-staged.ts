import { CHECKSUM_KINDS } from '../../core/checksum.ts'
import type { ClickHouseHttp } from './http.ts'
import type { Load, LoadColumn, Stage } from './load.ts'
import { qualify, quoteName } from './quoting.ts'
import { parseType, timestampOf } from './types.ts'

/** Columns whose canonical text (core/checksum.ts) ClickHouse computes from what it stores. */
export function checksumFields(load: Load): string[] {
  return load.columns.filter((column) => canonical(column) !== undefined).map((column) => column.name)
}

/** Sum over the rows of a stage by the rule of core/checksum.ts. */
export async function checksumStage(http: ClickHouseHttp, load: Load, stage: Stage, fields: readonly string[]): Promise<string> {
  const texts = fields.map((name) => {
    const column = load.columns.find((candidate) => candidate.name === name)
    const text = column && canonical(column)
    if (!column || text === undefined) throw new Error(`the field ${name} has no canonical text`)
    return parseType(column.type).nullable ? `ifNull(concat('V', ${text}), 'N')` : `concat('V', ${text})`
  })
  const row = texts.length === 1 ? texts[0] : `concat(${texts.join(", '\\x1F', ")})`
  const { sum } = await http.row<{ sum: string }>(
    `SELECT toString(sum(toUInt64(reinterpretAsUInt32(reverse(substring(MD5(${row}), 1, 4)))))) AS sum FROM ${qualify(load.database, stage.table)}`,
  )
  return sum
}

function canonical(column: LoadColumn): string | undefined {
  const { source } = column
  const type = parseType(column.type)
  const name = quoteName(column.name)
  if (!(CHECKSUM_KINDS as readonly string[]).includes(source.kind)) return undefined
  switch (source.kind) {
    case 'boolean':
      return type.bare === 'Bool' ? `left(toString(${name}), 1)` : undefined
    case 'int':
      return /^U?Int\d+$/.test(type.bare) ? `toString(${name})` : undefined
    case 'float': {
      if (type.bare !== `Float${source.bits}`) return undefined
      return `if(isNaN(${name}), 'nan', leftPad(lower(hex(reinterpretAsUInt${source.bits}(${name}))), ${source.bits / 4}, '0'))`
    }
    case 'decimal':
      return type.family === 'Decimal' ? `toDecimalString(${name}, ${source.scale})` : undefined
    case 'string':
    case 'json':
      return type.family === 'String' ? `toString(${name})` : undefined
    case 'bytes':
      return type.family === 'String' ? `lower(hex(${name}))` : undefined
    case 'date':
      return type.bare === 'Date32' || type.bare === 'Date' ? `toString(${name})` : undefined
    case 'timestamp':
      return type.family === 'DateTime64' && (timestampOf(type)?.digits ?? 9) <= 6 ? `toString(toUnixTimestamp64Micro(${name}))` : undefined
    case 'uuid':
      return type.bare === 'UUID' ? `toString(${name})` : undefined
    default:
      return undefined
  }
}
