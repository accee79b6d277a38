import type { WriteMode } from '../../core/chunk.ts'
import { DELETE_SETTINGS, refuseNullKeys } from './build-merge.ts'
import type { Built } from './build-shadow.ts'
import type { ClickHouseHttp } from './http.ts'
import type { Load } from './load.ts'
import { keysOf } from './plan-target.ts'
import { nameTuple, qualify, quoteName, quoteText } from './quoting.ts'
import { attachAll, countRows, uniteStages, type Winners } from './stages.ts'
import { createLike } from './staging-tables.ts'

type Scd2Mode = Extract<WriteMode, { type: 'scd2' }>

const INSERT_SETTINGS = { insert_null_as_default: 0, throw_on_max_partitions_per_insert_block: 0 }

/**
 * Closes active rows that the load changed or brings no more, and adds versions it brings anew. A version is known by
 * the content of all its columns but the two of its validity. Closed rows are deleted and added again with their end.
 */
export async function versionRows(
  http: ClickHouseHttp,
  load: Load,
  mode: Scd2Mode,
  shadow: string,
  winners: Winners,
  rest: string,
): Promise<Built> {
  const united = await uniteStages(http, load, winners, rest)
  await refuseNullKeys(http, load, united)
  const changes = await createLike(http, load, 'u', `${rest}x`)
  const [source, target, into] = [united, shadow, changes.table].map((table) => qualify(load.database, table))
  const content = contentOf(load)
  const boundary = instant(mode.boundary ?? new Date(load.startedAtMs).toISOString())
  const endless = mode.activeRecord === null ? 'NULL' : instant(mode.activeRecord)
  const [from, to] = [quoteName(mode.validFrom), quoteName(mode.validTo)]
  // Rows that were there before the table knew validity have none: they are active.
  const active = mode.activeRecord === null ? `isNull(${to})` : `(isNull(${to}) OR ${to} = ${endless})`
  const keys = keysOf(mode)
  const brought = keys.length === 0 ? '' : ` AND ${nameTuple(keys)} IN (SELECT ${nameTuple(keys)} FROM ${source})`
  const ended = `${active} AND ${content} NOT IN (SELECT ${content} FROM ${source})${brought}`

  await http.run(
    `INSERT INTO ${into} SELECT * REPLACE (${boundary} AS ${to}) FROM (SELECT * FROM ${target} WHERE ${ended})`,
    INSERT_SETTINGS,
  )
  const closedRows = await countRows(http, load.database, changes.table)
  const names = load.columns.map((column) => quoteName(column.name)).join(', ')
  await http.run(
    `INSERT INTO ${into} (${names}, ${from}, ${to}) SELECT ${names}, ${boundary}, ${endless} FROM ${source} ` +
      `WHERE ${content} NOT IN (SELECT ${content} FROM ${target} WHERE ${active}) LIMIT 1 BY ${content}`,
    INSERT_SETTINGS,
  )
  const foundRows = (await countRows(http, load.database, changes.table)) - closedRows
  if (closedRows > 0) await http.run(`DELETE FROM ${target} WHERE ${ended}`, DELETE_SETTINGS)
  const keptRows = await countRows(http, load.database, shadow)
  await attachAll(http, load.database, shadow, [changes.table])
  return { foundRows, tableRows: keptRows + closedRows + foundRows, notes: [`${foundRows} versions added, ${closedRows} closed.`] }
}

/** 128 bits over the text of every column; NULL differs from every text. */
function contentOf(load: Load): string {
  return `sipHash128(${load.columns.map(({ name }) => `isNull(${quoteName(name)}), ifNull(toString(${quoteName(name)}), '')`).join(', ')})`
}

function instant(text: string): string {
  return `parseDateTime64BestEffort(${quoteText(text)}, 6, 'UTC')`
}
