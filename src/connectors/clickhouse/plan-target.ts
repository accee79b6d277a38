import type { ColumnPlan, Json, Target, TargetPlan, WriteMode } from '../../core/chunk.ts'
import { typeName } from '../../core/schema.ts'
import { readEngine } from './engine-clauses.ts'
import { fitColumn } from './fit-column.ts'
import type { ClickHouseHttp } from './http.ts'
import { fault, type LoadColumn, type LoadPlan, qualified } from './load.ts'
import { isOurs, tagOf } from './names.ts'
import { quoteName, quoteText } from './quoting.ts'
import { asNullable, declare, parseType } from './types.ts'

export interface PlanSettings {
  database: string
  publish: 'swap' | 'insert'
}

interface TableRow {
  engine: string
  engine_full: string
  create_table_query: string
  total_rows: string | null
  dependents: string[]
  sorting_key: string
}

interface ColumnRow {
  name: string
  type: string
  default_kind: string
  key: number
}

/** Decides everything a load will do to the destination's structure. Reads only. */
export async function planTarget(http: ClickHouseHttp, target: Target, settings: PlanSettings): Promise<TargetPlan> {
  const place = { database: target.dataset || settings.database, table: target.table }
  const refuse = (message: string, remedy: string, column?: string) =>
    fault(http, place, 'schema-conflict', message, remedy, column === undefined ? {} : { column })
  if (place.table === '' || isOurs(place.table))
    throw refuse(`"${place.table}" cannot be the name of a destination table`, 'Choose another table name.')
  checkColumns(target, refuse)

  const server = await http.row<{ engine: string; zone: string; room: string; exact: number }>(
    `SELECT (SELECT max(engine) FROM system.databases WHERE name = ${quoteText(place.database)}) AS engine, serverTimezone() AS zone, ` +
      `getMaxTableNameLengthForDatabase(${quoteText(place.database)}) AS room, ` +
      `toString(toDateTime64('0500-01-02 03:04:05.123456', 6, 'UTC')) = '0500-01-02 03:04:05.123456' AS exact`,
  )
  if (fileNameBytes(place.table) > Number(server.room))
    throw refuse(
      `The table name is longer than the ${server.room} bytes that ClickHouse has for one in this database, where all but letters, digits and _ take three bytes each`,
      'Choose a shorter table name.',
    )
  const notes: string[] = []
  const createsDatabase = server.engine === ''
  if (!Number(server.exact)) {
    throw fault(
      http,
      place,
      'unsupported',
      'This ClickHouse clamps timestamps before 1900 and after 2299 without saying so',
      'Use ClickHouse 26.7 or later.',
    )
  }
  const table = createsDatabase ? undefined : await readTable(http, place)
  const publish = choosePublish(http, place, settings.publish, server.engine, table, target.mode, notes)
  const fitted = table ? await fitExisting(http, place, target, table, server.zone, notes, refuse) : declareNew(target, notes)
  if (target.schema.fields.some((field) => field.type.kind === 'timestamp' && !field.type.zoned)) {
    notes.push('Timestamps without a time zone keep their digits; their columns are labelled UTC so that no session shifts them.')
  }
  if (target.unrepresentable === 'null') notes.push('Values that a column cannot hold become NULL and are counted.')
  notes.push(...modeNotes(target.mode))

  const details: LoadPlan = {
    database: place.database,
    table: place.table,
    tag: tagOf(place.database, place.table),
    publish,
    createsDatabase,
    existing: fitted.existing,
    body: fitted.body,
    alterations: fitted.alterations,
    columns: fitted.columns,
    mode: target.mode,
    startedAtMs: target.startedAtMs,
    unrepresentable: target.unrepresentable,
  }
  return { target, statements: statementsOf(details), columns: fitted.plans, notes, details: details as unknown as Json }
}

/** ClickHouse names files after tables, with every other byte escaped. */
function fileNameBytes(table: string): number {
  return [...new TextEncoder().encode(table)].reduce((sum, byte) => sum + (/\w/.test(String.fromCharCode(byte)) ? 1 : 3), 0)
}

/** The statements that change structure, as they take effect under the destination's own name. */
function statementsOf(load: LoadPlan): string[] {
  return [
    ...(load.createsDatabase ? [createDatabase(load.database)] : []),
    ...(load.existing ? [] : [`CREATE TABLE ${qualified(load)} ${load.body}`]),
    ...(load.alterations.length ? [`ALTER TABLE ${qualified(load)} ${load.alterations.join(', ')}`] : []),
  ]
}

export function createDatabase(database: string): string {
  return `CREATE DATABASE IF NOT EXISTS ${quoteName(database)} ENGINE = Atomic`
}

type Refuse = (message: string, remedy: string, column?: string) => Error

function checkColumns(target: Target, refuse: Refuse): void {
  const names = target.schema.fields.map((field) => field.name)
  if (names.length === 0) throw refuse('The load has no columns', 'Check the stream and the excluded columns.')
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw refuse(`Two columns are named "${twice}"`, 'Rename one of them at the source.', twice)
  if (names.includes('')) throw refuse('A column has no name', 'Name it at the source.')
  const mode = target.mode
  const needed = [...keysOf(mode), ...('hardDelete' in mode && mode.hardDelete ? [mode.hardDelete] : [])]
  if (mode.type === 'delete-insert' && mode.sort) needed.push(mode.sort.column)
  for (const name of needed)
    if (!names.includes(name)) throw refuse(`The load has no column "${name}" that the write mode names`, 'Correct the write mode.', name)
  if ((mode.type === 'upsert' || mode.type === 'delete-insert') && keysOf(mode).length === 0)
    throw refuse('The write mode needs a key', 'Name a primary key or a merge key.')
  if (mode.type === 'scd2') {
    const clash = [mode.validFrom, mode.validTo].find((name) => names.includes(name))
    if (clash !== undefined)
      throw refuse(`The load has a column "${clash}", which the validity of rows needs`, 'Choose other validity column names.', clash)
    if (mode.validFrom === mode.validTo) throw refuse('Both validity columns have one name', 'Choose two names.', mode.validTo)
  }
}

/** The columns by which rows of the load meet rows of the table. */
export function keysOf(mode: WriteMode): string[] {
  switch (mode.type) {
    case 'upsert':
      return mode.key
    case 'delete-insert':
      return [...new Set([...mode.key, ...mode.mergeKey])]
    case 'scd2':
      return [...new Set([...mode.naturalKey, ...mode.partitionKey])]
    default:
      return []
  }
}

function modeNotes(mode: WriteMode): string[] {
  switch (mode.type) {
    case 'upsert':
      return [
        "Of several rows with one key the last one stays: last by chunk, then by position in it (rows are compared after sorting by the table's own key).",
      ]
    case 'delete-insert':
      return mode.key.length === 0
        ? []
        : [
            mode.sort
              ? `Of several rows with one key the one with the ${mode.sort.order === 'desc' ? 'highest' : 'lowest'} "${mode.sort.column}" stays, NULL last.`
              : 'Of several rows with one key the last one stays.',
          ]
    case 'scd2':
      return [
        keysOf(mode).length === 0
          ? 'Rows that the load does not bring any more are closed.'
          : `Rows are closed only where the load brings their ${mode.naturalKey.length ? 'natural' : 'partition'} key.`,
      ]
    default:
      return []
  }
}

async function readTable(http: ClickHouseHttp, place: { database: string; table: string }): Promise<TableRow | undefined> {
  const [row] = await http.rows<TableRow>(
    `SELECT engine, engine_full, create_table_query, total_rows, sorting_key, arrayMap((d, t) -> concat(d, '.', t), dependencies_database, dependencies_table) AS dependents ` +
      `FROM system.tables WHERE database = ${quoteText(place.database)} AND name = ${quoteText(place.table)}`,
  )
  return row
}

function choosePublish(
  http: ClickHouseHttp,
  place: { database: string; table: string },
  wanted: 'swap' | 'insert',
  databaseEngine: string,
  table: TableRow | undefined,
  mode: WriteMode,
  notes: string[],
): 'swap' | 'insert' {
  const unsupported = (message: string, remedy: string) => fault(http, place, 'unsupported', message, remedy)
  if (table && /View$/.test(table.engine)) throw unsupported(`The destination is a ${table.engine}`, 'Load into the table behind it.')
  if (wanted === 'insert') {
    if (mode.type !== 'append' && mode.type !== 'replace')
      throw unsupported(`publish=insert cannot do ${mode.type}`, 'Use publish=swap, or append or replace.')
    notes.push(
      'publish=insert: rows are inserted chunk by chunk into the live table. Readers can see a part of the load, and a failure can leave a part of it.',
    )
    return wanted
  }
  const remedy = 'Use a MergeTree table in an Atomic database, or publish=insert (not atomic).'
  if (databaseEngine !== '' && !/^(Atomic|Shared|Replicated)$/.test(databaseEngine))
    throw unsupported(`Tables of a database with engine ${databaseEngine} cannot be swapped`, remedy)
  if (databaseEngine === 'Shared' || databaseEngine === 'Replicated')
    notes.push(`Publishing in a database with engine ${databaseEngine} follows the documentation; it was proven on Atomic only.`)
  if (table && !/MergeTree$/.test(table.engine))
    throw unsupported(`A table with engine ${table.engine} cannot be published by a swap`, remedy)
  if (table && /^Replicated/.test(table.engine))
    throw unsupported(`A table with engine ${table.engine} cannot be published by a swap here`, remedy)
  if (table && table.dependents.length > 0) {
    notes.push(
      `Warning: ${table.dependents.join(', ')} depends on this table and will not see the rows of this load, because they appear by a swap. publish=insert feeds it, without atomicity.`,
    )
  }
  return wanted
}

interface Fitted {
  existing: LoadPlan['existing']
  body: string
  alterations: string[]
  columns: LoadColumn[]
  plans: ColumnPlan[]
}

function declareNew(target: Target, notes: string[]): Fitted {
  const fields = target.schema.fields
  const mergeKeys = keysOf(target.mode)
  const sortable = (name: string) => fields.some((field) => field.name === name && field.type.kind !== 'array')
  const order =
    mergeKeys.length > 0 ? mergeKeys : target.sourceKey.filter((name) => fields.some((field) => field.name === name && !field.nullable))
  const sorting =
    order.length > 0 && order.every(sortable) && (mergeKeys.length > 0 || order.length === target.sourceKey.length) ? order : []
  const plans = fields.map((field) => {
    const { type, loss } = declare(field, mergeKeys.includes(field.name))
    return { field, destinationColumn: field.name, destinationType: type, ...(loss ? { loss } : {}) }
  })
  const declarations = plans.map((plan) => `${quoteName(plan.destinationColumn)} ${plan.destinationType}`)
  if (target.mode.type === 'scd2') declarations.push(...validityColumns(target.mode))
  const by = sorting.length === 0 ? 'tuple()' : `(${sorting.map(quoteName).join(', ')})`
  if (sorting.length === 0) notes.push('The table has no sorting key: the source names none that is never NULL.')
  return {
    existing: null,
    body: `(${declarations.join(', ')}) ENGINE = MergeTree ORDER BY ${by}`,
    alterations: [],
    columns: loadColumns(plans),
    plans,
  }
}

function validityColumns(mode: { validFrom: string; validTo: string; activeRecord: string | null }): string[] {
  return [`${quoteName(mode.validFrom)} Nullable(DateTime64(6, 'UTC'))`, `${quoteName(mode.validTo)} Nullable(DateTime64(6, 'UTC'))`]
}

function loadColumns(plans: ColumnPlan[]): LoadColumn[] {
  return plans.map((plan) => ({ name: plan.destinationColumn, type: plan.destinationType, source: plan.field.type }))
}

async function fitExisting(
  http: ClickHouseHttp,
  place: { database: string; table: string },
  target: Target,
  table: TableRow,
  serverZone: string,
  notes: string[],
  refuse: Refuse,
): Promise<Fitted> {
  const rows = await http.rows<ColumnRow>(
    `SELECT name, type, default_kind, is_in_sorting_key OR is_in_primary_key OR is_in_partition_key OR is_in_sampling_key AS key ` +
      `FROM system.columns WHERE database = ${quoteText(place.database)} AND table = ${quoteText(place.table)} ORDER BY position`,
  )
  const mergeKeys = keysOf(target.mode)
  const { engine, rest, hasTtl } = readEngine(table.engine_full)
  const foldsRows = engine !== 'MergeTree' || hasTtl
  const alterations: string[] = []
  const plans: ColumnPlan[] = []
  const known = new Map(rows.map((row) => [row.name, row]))
  const remedy = 'Load into another table, change the column at the destination, or leave it out of the load.'
  for (const field of target.schema.fields) {
    const there = known.get(field.name)
    if (!there) {
      const { type, loss } = declare({ ...field, nullable: true }, false)
      alterations.push(`ADD COLUMN ${quoteName(field.name)} ${type}`)
      plans.push({ field, destinationColumn: field.name, destinationType: type, ...(loss ? { loss } : {}) })
      continue
    }
    if (/^(MATERIALIZED|ALIAS|EPHEMERAL)$/.test(there.default_kind))
      throw refuse(`The column is ${there.default_kind} at the destination`, remedy, field.name)
    const fit = fitColumn(field, there.type, { serverZone, inKey: Number(there.key) !== 0, isMergeKey: mergeKeys.includes(field.name) })
    if (!fit.fits)
      throw refuse(
        `${typeName(field.type)}${field.nullable ? ' or NULL' : ''} does not fit ${there.type}: ${fit.reason}`,
        remedy,
        field.name,
      )
    if (fit.widened) alterations.push(`MODIFY COLUMN ${quoteName(field.name)} ${fit.type}`)
    plans.push({ field, destinationColumn: field.name, destinationType: fit.type, ...(fit.loss ? { loss: fit.loss } : {}) })
  }
  const brought = new Set(target.schema.fields.map((field) => field.name))
  const validity = target.mode.type === 'scd2' ? [target.mode.validFrom, target.mode.validTo] : []
  if (target.mode.type === 'scd2') addValidity(target.mode, known, alterations, refuse)
  const others = rows.filter((row) => !brought.has(row.name) && !validity.includes(row.name))
  keepOthers(others, foldsRows, alterations, notes, refuse)
  return {
    existing: {
      structure: structureOf(table.create_table_query),
      engine,
      engineRest: rest,
      foldsRows,
      hasProjections: /\bPROJECTION\b/.test(table.create_table_query),
      hasTtl,
    },
    body: '',
    alterations,
    columns: loadColumns(plans),
    plans,
  }
}

function addValidity(
  mode: { validFrom: string; validTo: string; activeRecord: string | null },
  known: Map<string, ColumnRow>,
  alterations: string[],
  refuse: Refuse,
): void {
  const declarations = validityColumns(mode)
  for (const [index, name] of [mode.validFrom, mode.validTo].entries()) {
    const there = known.get(name)
    if (!there) alterations.push(`ADD COLUMN ${declarations[index]}`)
    else if (
      !/DateTime64\([6-9]/.test(there.type) ||
      (name === mode.validTo && mode.activeRecord === null && !parseType(there.type).nullable)
    ) {
      throw refuse(`The validity column has type ${there.type}`, "It must be Nullable(DateTime64(6, 'UTC')).", name)
    }
  }
}

/** Columns that the load does not bring: NULL or their own default, never an invented 0 or ''. */
function keepOthers(others: ColumnRow[], foldsRows: boolean, alterations: string[], notes: string[], refuse: Refuse): void {
  const made: string[] = []
  for (const row of others) {
    if (row.default_kind !== '') continue
    const parsed = parseType(row.type)
    const nullable = asNullable(parsed)
    if (parsed.nullable || nullable === undefined) continue
    if (Number(row.key) !== 0 || foldsRows) {
      throw refuse(
        `The load has no value for this column of type ${row.type}, and it has neither a default nor room for NULL`,
        'Give the column a DEFAULT at the destination, or bring it in the load.',
        row.name,
      )
    }
    alterations.push(`MODIFY COLUMN ${quoteName(row.name)} ${nullable}`)
    made.push(row.name)
  }
  if (made.length > 0)
    notes.push(
      `The load has no value for ${made.map((name) => `"${name}"`).join(', ')}: made Nullable, so that new rows hold NULL instead of an invented 0 or ''.`,
    )
}

/** The definition behind the name; two tables that differ only in name have the same. */
export function structureOf(createTableQuery: string): string {
  return createTableQuery.replace(/^CREATE TABLE .*? \(/s, '(')
}
