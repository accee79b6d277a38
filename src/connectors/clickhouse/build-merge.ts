import type { WriteMode } from '../../core/chunk.ts'
import type { Built } from './build-shadow.ts'
import type { ClickHouseHttp } from './http.ts'
import { fault, type Load } from './load.ts'
import { keysOf } from './plan-target.ts'
import { nameTuple, qualify, quoteName } from './quoting.ts'
import { attachAll, countRows, uniteStages, type Winners } from './stages.ts'
import { parseType } from './types.ts'

type MergeMode = Extract<WriteMode, { type: 'upsert' | 'delete-insert' }>

export const DELETE_SETTINGS = { lightweight_deletes_sync: 2, mutations_sync: 2 }

/** Where a row came in the load: block numbers grow in the order of attaching, offsets inside a part in its own order. */
const ARRIVAL = '_block_number, _part_offset'

/** Deletes what the keys of the load name, then adds the load with one row per key and without its hard deletes. */
export async function mergeRows(
  http: ClickHouseHttp,
  load: Load,
  mode: MergeMode,
  shadow: string,
  winners: Winners,
  rest: string,
): Promise<Built> {
  const united = await uniteStages(http, load, winners, rest)
  const load_ = qualify(load.database, united)
  const target = qualify(load.database, shadow)
  await refuseNullKeys(http, load, united)
  const keys = mode.type === 'upsert' ? [mode.key] : [mode.key, mode.mergeKey].filter((key) => key.length > 0)
  const named = keys.map((key) => `${nameTuple(key)} IN (SELECT ${nameTuple(key)} FROM ${load_})`).join(' OR ')
  if ((await countRows(http, load.database, shadow)) > 0) await http.run(`DELETE FROM ${target} WHERE ${named}`, DELETE_SETTINGS)
  if (mode.key.length > 0) await foldKeys(http, mode, load_)
  if (mode.hardDelete !== undefined) await http.run(`DELETE FROM ${load_} WHERE ${flagged(load, mode.hardDelete)}`, DELETE_SETTINGS)
  const keptRows = await countRows(http, load.database, shadow)
  const foundRows = await countRows(http, load.database, united)
  await attachAll(http, load.database, shadow, [united])
  const { rows } = await http.row<{ rows: string }>(`SELECT count() AS rows FROM ${target} WHERE ${named}`)
  if (Number(rows) !== foundRows && !load.existing?.foldsRows) {
    throw fault(
      http,
      load,
      'mismatch',
      `${rows} rows have a key of the load, of which ${foundRows} were merged`,
      'Nothing was published. Start the load again.',
    )
  }
  return { foundRows, tableRows: keptRows + foundRows, notes: [] }
}

/** NULL equals nothing, so a row with a NULL key would be added again by every load. */
export async function refuseNullKeys(http: ClickHouseHttp, load: Load, united: string): Promise<void> {
  const keys = new Set(keysOf(load.mode))
  const nullable = load.columns.filter((column) => keys.has(column.name) && parseType(column.type).nullable)
  if (nullable.length === 0) return
  const counts = nullable.map((column, index) => `countIf(isNull(${quoteName(column.name)})) AS n${index}`)
  const row = await http.row<Record<string, string>>(`SELECT ${counts.join(', ')} FROM ${qualify(load.database, united)}`)
  for (const [index, column] of nullable.entries()) {
    const rows = Number(row[`n${index}`])
    if (rows > 0)
      throw fault(http, load, 'bad-data', `${rows} rows have NULL in the key`, 'Give every row a key, or choose another key.', {
        column: column.name,
      })
  }
}

/** One row per key stays; what goes is never the one that stays, so parts may be rewritten one after the other. */
async function foldKeys(http: ClickHouseHttp, mode: MergeMode, united: string): Promise<void> {
  const key = nameTuple(mode.key)
  const duplicates = `FROM ${united} GROUP BY ${mode.key.map(quoteName).join(', ')} HAVING count() > 1`
  const { keys } = await http.row<{ keys: string }>(`SELECT count() AS keys FROM (SELECT 1 ${duplicates})`)
  if (Number(keys) === 0) return
  await http.run(
    `DELETE FROM ${united} WHERE ${key} IN (SELECT ${key} ${duplicates}) AND (${ARRIVAL}) NOT IN (SELECT ${survivor(mode)} ${duplicates})`,
    DELETE_SETTINGS,
  )
}

function survivor(mode: MergeMode): string {
  if (mode.type === 'upsert' || !mode.sort) return `max((${ARRIVAL}))`
  const column = quoteName(mode.sort.column)
  if (mode.sort.order === 'desc') return `argMax((${ARRIVAL}), (isNotNull(${column}), assumeNotNull(${column}), ${ARRIVAL}))`
  return `argMin((${ARRIVAL}), (isNull(${column}), assumeNotNull(${column}), -toInt64(_block_number), -toInt64(_part_offset)))`
}

/** A boolean column deletes where it is true, any other where it is set. */
function flagged(load: Load, name: string): string {
  const column = load.columns.find((candidate) => candidate.name === name)
  return column?.source.kind === 'boolean' ? `ifNull(${quoteName(name)}, false)` : `isNotNull(${quoteName(name)})`
}
