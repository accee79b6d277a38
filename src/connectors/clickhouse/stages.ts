import type { Receipt } from '../../core/chunk.ts'
import type { ClickHouseHttp } from './http.ts'
import { fault, type Load, type Stage } from './load.ts'
import { namePrefix } from './names.ts'
import { qualify, quoteText } from './quoting.ts'
import { ALTER_SETTINGS, createLike, tablesMatching } from './staging-tables.ts'

/** Tables attached by one ALTER. */
const ATTACH_GROUP = 64
/** More parts than this in one partition are merged before publication: attaching bypasses ClickHouse's own limit, the user's next insert does not. */
const PARTS_PER_PARTITION_MAX = 300
const MERGE_ROUNDS_MAX = 64

/** The winning stages of a load, checked against the server. */
export interface Winners {
  stages: Stage[]
  rows: number
  nulled: Record<string, number>
  /** Of the fullest partition, over all stages. */
  partsPerPartition: number
  /** See `partsHash`. */
  hash: bigint
}

/** Reads the receipts and makes sure that every stage is the very table its receipt names, with the rows it names. */
export async function checkStages(http: ClickHouseHttp, load: Load, receipts: AsyncIterable<Receipt>): Promise<Winners> {
  const byChunk = new Map<string, Stage>()
  const order: string[] = []
  for await (const receipt of receipts) {
    if (byChunk.has(receipt.chunkId))
      throw fault(http, load, 'rejected', `Two receipts name the chunk ${receipt.chunkId}`, 'Nothing was published. Start the load again.')
    byChunk.set(receipt.chunkId, receipt.staged as unknown as Stage)
    order.push(receipt.chunkId)
  }
  const stages = order.sort().flatMap((id) => byChunk.get(id) ?? [])
  const prefix = namePrefix('s', load.tag, load.loadId)
  const uuids = new Map((await tablesMatching(http, load.database, `^${prefix}`)).map((table) => [table.name, table.uuid]))
  const parts = await stageParts(http, load, prefix)
  const perPartition = new Map<string, number>()
  let hash = 0n
  for (const stage of stages) {
    const own = parts.get(stage.table) ?? []
    const rows = own.reduce((sum, part) => sum + part.rows, 0)
    if (uuids.get(stage.table) !== stage.uuid || rows !== stage.rows) {
      throw fault(
        http,
        load,
        'mismatch',
        `The staged chunk ${stage.table} holds ${rows} rows instead of ${stage.rows}`,
        'Nothing was published. Start the load again; nobody else may touch tables named _sluice_….',
      )
    }
    for (const part of own) {
      perPartition.set(part.partition, (perPartition.get(part.partition) ?? 0) + part.parts)
      hash = BigInt.asUintN(64, hash + BigInt(part.hash))
    }
  }
  const nulled: Record<string, number> = {}
  for (const stage of stages)
    for (const [column, values] of Object.entries(stage.nulled ?? {})) nulled[column] = (nulled[column] ?? 0) + values
  return {
    stages,
    rows: stages.reduce((sum, stage) => sum + stage.rows, 0),
    nulled,
    partsPerPartition: Math.max(0, ...perPartition.values()),
    hash,
  }
}

interface StagePart {
  partition: string
  rows: number
  parts: number
  hash: string
}

const HASH_OF_PARTS = 'sum(reinterpretAsUInt64(substring(unhex(hash_of_all_files), 1, 8)))'

async function stageParts(http: ClickHouseHttp, load: Load, prefix: string): Promise<Map<string, StagePart[]>> {
  const rows = await http.rows<{ table: string; partition: string; rows: string; parts: string; hash: string }>(
    `SELECT table, partition_id AS partition, sum(rows) AS rows, count() AS parts, ${HASH_OF_PARTS} AS hash FROM system.parts ` +
      `WHERE database = ${quoteText(load.database)} AND startsWith(table, ${quoteText(prefix)}) AND active GROUP BY table, partition_id`,
  )
  const found = new Map<string, StagePart[]>()
  for (const row of rows) {
    const part = { partition: row.partition, rows: Number(row.rows), parts: Number(row.parts), hash: row.hash }
    const own = found.get(row.table)
    if (own) own.push(part)
    else found.set(row.table, [part])
  }
  return found
}

/** A sum over the checksums of a table's parts, modulo 2^64: attaching keeps it, merging changes it. */
export async function partsHash(http: ClickHouseHttp, database: string, table: string): Promise<bigint> {
  const row = await http.row<{ hash: string }>(
    `SELECT ${HASH_OF_PARTS} AS hash FROM system.parts WHERE database = ${quoteText(database)} AND table = ${quoteText(table)} AND active`,
  )
  return BigInt(row.hash)
}

/** Puts the rows of `sources` into `table` as hard links, in this order. */
export async function attachAll(http: ClickHouseHttp, database: string, table: string, sources: readonly string[]): Promise<void> {
  for (let at = 0; at < sources.length; at += ATTACH_GROUP) {
    const actions = sources.slice(at, at + ATTACH_GROUP).map((source) => `ATTACH PARTITION ALL FROM ${qualify(database, source)}`)
    await http.run(`ALTER TABLE ${qualify(database, table)} ${actions.join(', ')}`, ALTER_SETTINGS)
  }
}

/** One disposable table with the rows of all stages. */
export async function uniteStages(http: ClickHouseHttp, load: Load, winners: Winners, rest: string): Promise<string> {
  const { table } = await createLike(http, load, 'u', rest)
  await attachAll(
    http,
    load.database,
    table,
    winners.stages.map((stage) => stage.table),
  )
  return table
}

export function tooManyParts(winners: Winners): boolean {
  return winners.partsPerPartition > PARTS_PER_PARTITION_MAX
}

/** Merges a disposable table until no partition has too many parts. Returns a note where it may not. */
export async function mergeParts(http: ClickHouseHttp, load: Load, table: string): Promise<string | undefined> {
  for (let round = 0; round < MERGE_ROUNDS_MAX; round++) {
    const { parts } = await http.row<{ parts: string }>(
      `SELECT max(parts) AS parts FROM (SELECT count() AS parts FROM system.parts WHERE database = ${quoteText(load.database)} AND table = ${quoteText(table)} AND active GROUP BY partition_id)`,
    )
    if (Number(parts) <= PARTS_PER_PARTITION_MAX) return undefined
    try {
      await http.run(`OPTIMIZE TABLE ${qualify(load.database, table)}`, { optimize_throw_if_noop: 0 })
    } catch {
      break
    }
  }
  return 'The load consists of many parts that could not be merged before publication (right OPTIMIZE); ClickHouse merges them in the background.'
}

export async function countRows(http: ClickHouseHttp, database: string, table: string): Promise<number> {
  const { rows } = await http.row<{ rows: string }>(`SELECT count() AS rows FROM ${qualify(database, table)}`)
  return Number(rows)
}
