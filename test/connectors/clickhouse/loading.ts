import { clickhouse } from '../../../src/connectors/clickhouse/connector.ts'
import type { CommitResult, Json, Receipt, Target, TargetPlan, WriteMode } from '../../../src/core/chunk.ts'
import type { Destination, Io, Journal } from '../../../src/core/connector.ts'
import { type Fault, faultOf } from '../../../src/core/errors.ts'
import type { ByteFormat, Payload } from '../../../src/core/payload.ts'
import type { DataType, Field } from '../../../src/core/schema.ts'
import { nodeIo } from '../../support/node-io.ts'

/** Statements against the shared server as its owner. */
export class Server {
  readonly url: string
  constructor(url: string) {
    this.url = url
  }

  async query(sql: string): Promise<string> {
    const response = await fetch(this.url, {
      method: 'POST',
      body: sql,
      headers: { 'x-clickhouse-user': 'sluice', 'x-clickhouse-key': 'pass-word' },
    })
    const text = await response.text()
    if (!response.ok) throw new Error(text)
    return text.replace(/\n$/, '')
  }

  /** A new Atomic database. */
  async database(): Promise<string> {
    const name = `db_${crypto.randomUUID().replaceAll('-', '')}`
    await this.query(`CREATE DATABASE ${name} ENGINE = Atomic`)
    return name
  }

  async lines(sql: string): Promise<string[]> {
    const text = await this.query(`${sql} FORMAT TSV`)
    return text === '' ? [] : text.split('\n')
  }

  /** Names of disposable tables that are still there. */
  async leftovers(database: string): Promise<string[]> {
    return await this.lines(`SELECT name FROM system.tables WHERE database = '${database}' AND startsWith(name, '_sluice_')`)
  }
}

export function open(
  url: string,
  options: { database: string; user?: string; password?: string; publish?: 'swap' | 'insert'; io?: Io },
): Destination {
  const { hostname, port } = new URL(url)
  const uri = `clickhouse://${options.user ?? 'sluice'}:${options.password ?? 'pass-word'}@${hostname}:9000/${options.database}?http_port=${port}&secure=0&publish=${options.publish ?? 'swap'}`
  const opened = clickhouse.openDestination?.(clickhouse.fromUri(uri), options.io ?? nodeIo())
  if (!opened) throw new Error('no destination')
  return opened
}

export const TSV: ByteFormat = { encoding: 'tsv', compression: 'none' }
export const JSONL: ByteFormat = { encoding: 'jsonl', compression: 'none' }
export const CSV: ByteFormat = { encoding: 'csv', compression: 'none', csv: { delimiter: ',', quote: '"', header: true, nullText: '' } }

export function payloadOf(data: string | Uint8Array, format: ByteFormat = TSV, rows?: number): Payload & { cancelled: boolean } {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data
  const payload = {
    via: 'bytes' as const,
    format,
    body: new Blob([bytes as Uint8Array<ArrayBuffer>]).stream() as ReadableStream<Uint8Array>,
    completed: Promise.resolve({ bytes: bytes.length, ...(rows === undefined ? {} : { rows }) }),
    cancelled: false,
    cancel() {
      payload.cancelled = true
    },
  }
  return payload
}

export function field(name: string, type: DataType | DataType['kind'], nullable = true): Field {
  if (typeof type !== 'string') return { name, type, nullable }
  const types: Partial<Record<DataType['kind'], DataType>> = {
    int: { kind: 'int', bits: 64, signed: true },
    float: { kind: 'float', bits: 64 },
    decimal: { kind: 'decimal', precision: 10, scale: 2 },
    timestamp: { kind: 'timestamp', zoned: true, fractionDigits: 6 },
    array: { kind: 'array', of: { kind: 'string' } },
  }
  return { name, type: types[type] ?? ({ kind: type } as DataType), nullable }
}

export function target(table: string, fields: Field[], mode: WriteMode = { type: 'append' }, more: Partial<Target> = {}): Target {
  return { table, schema: { fields }, mode, sourceKey: [], unrepresentable: 'fail', startedAtMs: Date.UTC(2024, 0, 2, 3, 4, 5), ...more }
}

/** Survives its commit like the ledger does. */
export class MemoryJournal implements Journal {
  entries: Json[] = []
  async load(): Promise<Json | undefined> {
    const last = this.entries.at(-1)
    return last === undefined ? undefined : structuredClone(last)
  }
  async save(entry: Json): Promise<void> {
    this.entries.push(structuredClone(entry))
  }
}

let counter = 0
export function loadId(): string {
  return `load${Date.now().toString(36)}${(counter++).toString(36)}`
}

export async function* each<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items
}

export interface Staged {
  plan: TargetPlan
  prepared: Json
  receipts: Receipt[]
}

/** Plan, prepare and write; each payload is a chunk. */
export async function stage(
  destination: Destination,
  wanted: Target,
  chunks: readonly (string | Payload)[],
  id = loadId(),
): Promise<Staged> {
  const plan = await destination.plan(wanted)
  const prepared = await destination.prepare(plan, id)
  const receipts: Receipt[] = []
  for (const [index, chunk] of chunks.entries()) {
    const attempt = { chunkId: `c${String(index).padStart(4, '0')}`, attemptId: 'a1' }
    receipts.push(await destination.write(prepared, attempt, typeof chunk === 'string' ? payloadOf(chunk) : chunk, () => {}))
  }
  return { plan, prepared, receipts }
}

/** A whole load, as the service runs it. */
export async function load(
  destination: Destination,
  wanted: Target,
  chunks: readonly (string | Payload)[],
): Promise<CommitResult & { plan: TargetPlan }> {
  const { plan, prepared, receipts } = await stage(destination, wanted, chunks)
  const result = await destination.commit(prepared, each(receipts), new MemoryJournal())
  await destination.abort(prepared)
  return { ...result, plan }
}

/** The fault that the promise fails with. */
export async function faultFrom(
  promise: Promise<unknown>,
): Promise<Fault & { message?: string; remedy?: string; place?: { column?: string; record?: number } }> {
  try {
    await promise
  } catch (error) {
    return faultOf(error)
  }
  throw new Error('nothing failed')
}
