import type { ClickHouseHttp } from './http.ts'
import { type Load, type LoadPlan, qualified } from './load.ts'
import { loadPattern, randomId, type TableKind, tableName } from './names.ts'
import { createDatabase } from './plan-target.ts'
import { qualify, quoteName, quoteText } from './quoting.ts'

/** Tables dropped by one statement. */
const DROP_GROUP = 64
/** Disposable tables hold hard links or copies: their size is no reason to refuse. */
const DROP_SETTINGS = { max_table_size_to_drop: 0, max_partition_size_to_drop: 0 }
/** ALTER returns when it is done, also where it rewrites parts. */
export const ALTER_SETTINGS = { alter_sync: 2, mutations_sync: 2 }

/** Makes the model of every stage: the destination's structure after this load, merging nothing away by itself. */
export async function prepareLoad(http: ClickHouseHttp, plan: LoadPlan, loadId: string): Promise<Load> {
  if (plan.createsDatabase) await http.run(`${createDatabase(plan.database)} COMMENT ${quoteText(databaseComment(loadId))}`)
  const load: Load = { ...plan, loadId, template: tableName('t', plan.tag, loadId, randomId()) }
  const template = qualify(load.database, load.template)
  if (!plan.existing) {
    await http.run(`CREATE TABLE ${template} ${plan.body}`)
  } else if (plan.publish === 'swap') {
    await http.run(`CREATE TABLE ${template} AS ${qualified(plan)} ENGINE = MergeTree ${plan.existing.engineRest}`)
    await alter(http, template, plan.alterations)
  } else {
    const columns = plan.columns.map((column) => `${quoteName(column.name)} ${column.type}`)
    await http.run(`CREATE TABLE ${template} (${columns.join(', ')}) ENGINE = MergeTree ORDER BY tuple()`)
  }
  return load
}

export async function alter(http: ClickHouseHttp, table: string, actions: readonly string[]): Promise<void> {
  if (actions.length > 0) await http.run(`ALTER TABLE ${table} ${actions.join(', ')}`, ALTER_SETTINGS)
}

/** Creates a disposable table with the template's structure; the caller knows its UUID before the server does. */
export async function createLike(
  http: ClickHouseHttp,
  load: Load,
  kind: TableKind,
  rest: string,
): Promise<{ table: string; uuid: string }> {
  const table = tableName(kind, load.tag, load.loadId, rest)
  const uuid = crypto.randomUUID()
  await http.run(`CREATE TABLE ${qualify(load.database, table)} UUID ${quoteText(uuid)} AS ${qualify(load.database, load.template)}`)
  return { table, uuid }
}

export interface FoundTable {
  name: string
  uuid: string
}

/** Tables of the destination's database whose names match. */
export async function tablesMatching(http: ClickHouseHttp, database: string, pattern: string): Promise<FoundTable[]> {
  return await http.rows<FoundTable>(
    `SELECT name, toString(uuid) AS uuid FROM system.tables WHERE database = ${quoteText(database)} AND match(name, ${quoteText(pattern)}) ORDER BY name`,
  )
}

export async function dropTables(http: ClickHouseHttp, database: string, names: readonly string[]): Promise<void> {
  for (let at = 0; at < names.length; at += DROP_GROUP) {
    const group = names.slice(at, at + DROP_GROUP).map((name) => qualify(database, name))
    await http.run(`DROP TABLE IF EXISTS ${group.join(', ')} SYNC`, DROP_SETTINGS)
  }
}

/** Drops every disposable table of the load; what somebody else wrote meanwhile is kept under another name. */
export async function dropLoad(http: ClickHouseHttp, load: Load): Promise<void> {
  const found = await tablesMatching(http, load.database, loadPattern(load.tag, load.loadId))
  await dropTables(
    http,
    load.database,
    found.map((table) => table.name),
  )
}

/** Removes the database again when this very load created it and nothing is in it. */
export async function dropCreatedDatabase(http: ClickHouseHttp, load: Load): Promise<void> {
  if (!load.createsDatabase) return
  const [row] = await http.rows<{ comment: string; tables: string }>(
    `SELECT comment, (SELECT count() FROM system.tables WHERE database = ${quoteText(load.database)}) AS tables FROM system.databases WHERE name = ${quoteText(load.database)}`,
  )
  if (row && row.comment === databaseComment(load.loadId) && Number(row.tables) === 0)
    await http.run(`DROP DATABASE IF EXISTS ${quoteName(load.database)} SYNC`)
}

function databaseComment(loadId: string): string {
  return `created by Sluice load ${loadId}`
}
