import type { CommitResult, Json, Receipt } from '../../core/chunk.ts'
import type { Io, Journal } from '../../core/connector.ts'
import { faultOf } from '../../core/errors.ts'
import type { ClickHouseHttp } from './http.ts'
import { fault, type Load, qualified, type Stage } from './load.ts'
import { qualify, quoteName } from './quoting.ts'
import { checkStages, countRows } from './stages.ts'
import { alter, dropLoad } from './staging-tables.ts'

interface Progress {
  phase: 'insert'
  /** The table has its structure, and is empty where it is to be replaced. */
  ready: boolean
  /** UUIDs of stages whose rows are in the table. */
  done: string[]
  /** Being inserted when this was saved; the rows the table had before. */
  pending?: { uuid: string; rowsBefore: number }
}

/**
 * For tables that cannot be swapped: inserts stage by stage into the live table. Not atomic. After a crash the row
 * count tells whether the stage in question had arrived, as long as nobody else writes; if it cannot, this says so.
 */
export async function publishByInsert(
  http: ClickHouseHttp,
  io: Io,
  load: Load,
  receipts: AsyncIterable<Receipt>,
  journal: Journal,
): Promise<CommitResult> {
  const saved = (await journal.load()) as unknown as Progress | { phase: 'done'; result: CommitResult } | undefined
  if (saved?.phase === 'done') return saved.result
  const progress: Progress = saved ?? { phase: 'insert', ready: false, done: [] }
  const save = () => journal.save(progress as unknown as Json)
  const winners = await checkStages(http, load, receipts)
  if (!progress.ready) {
    await makeReady(http, load)
    progress.ready = true
    await save()
  }
  const done = new Set(progress.done)
  for (const stage of winners.stages) {
    if (done.has(stage.uuid)) continue
    if (!(progress.pending?.uuid === stage.uuid && (await arrived(http, load, stage, progress.pending.rowsBefore)))) {
      progress.pending = { uuid: stage.uuid, rowsBefore: await countRows(http, load.database, load.table) }
      await save()
      await insertStage(http, load, stage)
    }
    progress.done.push(stage.uuid)
    progress.pending = undefined
  }
  const nulled = Object.entries(winners.nulled).map(([column, values]) => `${values} in "${column}"`)
  const result: CommitResult = {
    foundRows: winners.rows,
    tableRows: await countRows(http, load.database, load.table),
    foldedRows: 0,
    notes: [
      'Inserted chunk by chunk (publish=insert): not atomic.',
      ...(nulled.length ? [`Values that the destination cannot hold became NULL: ${nulled.join(', ')}.`] : []),
    ],
  }
  await journal.save({ phase: 'done', result } as unknown as Json)
  try {
    await dropLoad(http, load)
  } catch (error) {
    io.log('clickhouse.clean-up-failed', { tag: faultOf(error).tag, table: `${load.database}.${load.table}` })
  }
  return result
}

async function makeReady(http: ClickHouseHttp, load: Load): Promise<void> {
  if (!load.existing) await http.run(`CREATE TABLE IF NOT EXISTS ${qualified(load)} ${load.body}`)
  await alter(
    http,
    qualified(load),
    load.alterations.map((action) => action.replace(/^ADD COLUMN /, 'ADD COLUMN IF NOT EXISTS ')),
  )
  if (load.mode.type === 'replace' && load.existing) await http.run(`TRUNCATE TABLE ${qualified(load)} SYNC`, { max_table_size_to_drop: 0 })
}

async function arrived(http: ClickHouseHttp, load: Load, stage: Stage, rowsBefore: number): Promise<boolean> {
  const rows = await countRows(http, load.database, load.table)
  if (rows === rowsBefore) return false
  if (rows === rowsBefore + stage.rows) return true
  throw fault(
    http,
    load,
    'mismatch',
    `An interrupted insert left ${rows - rowsBefore} of ${stage.rows} rows, or somebody else wrote meanwhile`,
    `Compare the table with ${qualify(load.database, stage.table)}, remove the rows of that insert, and start the load again.`,
  )
}

async function insertStage(http: ClickHouseHttp, load: Load, stage: Stage): Promise<void> {
  const names = load.columns.map((column) => quoteName(column.name)).join(', ')
  await http.run(`INSERT INTO ${qualified(load)} (${names}) SELECT ${names} FROM ${qualify(load.database, stage.table)}`, {
    insert_null_as_default: 0,
    insert_deduplicate: 0,
    throw_on_max_partitions_per_insert_block: 0,
    async_insert: 0,
  })
}
