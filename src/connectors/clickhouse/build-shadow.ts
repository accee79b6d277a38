import type { CommitResult } from '../../core/chunk.ts'
import { appendRows } from './build-append.ts'
import { mergeRows } from './build-merge.ts'
import { versionRows } from './build-scd2.ts'
import type { ClickHouseHttp } from './http.ts'
import { fault, type Load, qualified } from './load.ts'
import { qualify } from './quoting.ts'
import { attachAll, countRows, type Winners } from './stages.ts'
import { alter } from './staging-tables.ts'

/** The setting that a lightweight delete needs on a table with projections. */
const PROJECTION_MODE = 'lightweight_mutation_projection_mode'

/** What a way of writing did to the shadow. */
export interface Built {
  /** Rows of the load that are in the shadow. */
  foundRows: number
  /** Rows the shadow must have now. */
  tableRows: number
  /** Of the load's content, equal in the stages and in the shadow; absent where they were compared by rows alone. */
  checksum?: string
  notes: string[]
}

/**
 * Builds the table that takes the destination's place: its rows as hard links, changed to the load's structure, with
 * the load applied. Touches disposable tables only.
 */
export async function buildShadow(
  http: ClickHouseHttp,
  load: Load,
  shadow: { table: string; uuid: string },
  winners: Winners,
  rest: string,
): Promise<CommitResult> {
  const quoted = qualify(load.database, shadow.table)
  const definition = load.existing ? `AS ${qualified(load)}` : load.body
  await http.run(`CREATE TABLE ${quoted} UUID '${shadow.uuid}' ${definition}`)
  const keeps = load.existing !== null && load.mode.type !== 'replace'
  const deletes = keeps && load.mode.type !== 'append'
  if (keeps) await attachAll(http, load.database, shadow.table, [load.table])
  await alter(http, quoted, load.alterations)
  if (deletes && load.existing?.hasProjections) await alter(http, quoted, [`MODIFY SETTING ${PROJECTION_MODE} = 'rebuild'`])
  const built = await apply(http, load, shadow.table, winners, rest, keeps)
  if (deletes && load.existing?.hasProjections) await restoreSetting(http, load, quoted)

  const tableRows = await countRows(http, load.database, shadow.table)
  const folds = load.existing?.foldsRows ?? false
  if (tableRows !== built.tableRows && !(folds && tableRows < built.tableRows)) {
    throw fault(
      http,
      load,
      'mismatch',
      `The table to publish has ${tableRows} rows instead of ${built.tableRows}`,
      'Nothing was published. Start the load again.',
    )
  }
  const notes = [...built.notes]
  if (tableRows < built.tableRows) notes.push(`The table's own engine or TTL has merged ${built.tableRows - tableRows} rows away already.`)
  const nulled = Object.entries(winners.nulled).map(([column, values]) => `${values} in "${column}"`)
  if (nulled.length > 0) notes.push(`Values that the destination cannot hold became NULL: ${nulled.join(', ')}.`)
  const { foundRows, checksum } = built
  return { foundRows, tableRows, foldedRows: winners.rows - foundRows, ...(checksum !== undefined && { checksum }), notes }
}

async function apply(http: ClickHouseHttp, load: Load, shadow: string, winners: Winners, rest: string, keeps: boolean): Promise<Built> {
  switch (load.mode.type) {
    case 'append':
    case 'replace':
      return await appendRows(http, load, shadow, winners, rest, keeps)
    case 'upsert':
    case 'delete-insert':
      return await mergeRows(http, load, load.mode, shadow, winners, rest)
    case 'scd2':
      return await versionRows(http, load, load.mode, shadow, winners, rest)
  }
}

async function restoreSetting(http: ClickHouseHttp, load: Load, quoted: string): Promise<void> {
  const own = new RegExp(`\\b${PROJECTION_MODE} = ('\\w+')`).exec(load.existing?.engineRest ?? '')?.[1]
  await alter(http, quoted, [own ? `MODIFY SETTING ${PROJECTION_MODE} = ${own}` : `RESET SETTING ${PROJECTION_MODE}`])
}
