import type { WriteMode } from '../../core/chunk.ts'
import { type Fault, IngestError, type Place, type Told } from '../../core/errors.ts'
import type { DataType } from '../../core/schema.ts'
import type { ClickHouseHttp } from './http.ts'
import { qualify } from './quoting.ts'

/** A column that the load brings. */
export interface LoadColumn {
  name: string
  type: string
  source: DataType
}

/** Everything about a load that plan decided and every later step needs; JSON. */
export interface LoadPlan {
  database: string
  table: string
  /** Stands for the destination in names of disposable tables. */
  tag: string
  publish: 'swap' | 'insert'
  createsDatabase: boolean
  /** Null for a table that must be created: then `body` says how. */
  existing: {
    /** `system.tables.create_table_query` behind the name: what the load was fitted to. */
    structure: string
    engine: string
    engineRest: string
    /** Merges of this table may remove rows by themselves (its engine, or a TTL). */
    foldsRows: boolean
    hasProjections: boolean
    hasTtl: boolean
  } | null
  /** `(columns) ENGINE = … ORDER BY …` of a new table. */
  body: string
  /** Actions of one ALTER TABLE that fit the existing table to the load. */
  alterations: string[]
  columns: LoadColumn[]
  mode: WriteMode
  startedAtMs: number
  unrepresentable: 'fail' | 'null'
}

/** A prepared load; JSON. */
export interface Load extends LoadPlan {
  loadId: string
  /** An empty table with the structure of the destination after the load: the model of every stage. */
  template: string
}

/** Where one attempt staged its rows; JSON, part of the receipt. */
export interface Stage {
  table: string
  uuid: string
  rows: number
  /** Values that became NULL because the column cannot hold them, by column. */
  nulled?: Record<string, number>
}

export type ToldTag = Extract<Fault, Told>['tag']

/** A fault about the destination table of a load. */
export function fault(
  http: ClickHouseHttp,
  load: { database: string; table: string },
  tag: ToldTag,
  message: string,
  remedy: string,
  place: Place = {},
): IngestError {
  return new IngestError({ tag, message, remedy, place: { ...http.place, resource: `${load.database}.${load.table}`, ...place } } as Fault)
}

export function qualified(load: { database: string; table: string }): string {
  return qualify(load.database, load.table)
}
