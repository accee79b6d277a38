import type { Receipt } from '../test/support/quickstart/events.ts'
import type { ClickHouseServer } from '../test/support/servers/clickhouse.ts'
import type { PostgresServer } from '../test/support/servers/postgres.ts'
import type { Sluice } from '../test/support/servers/sluice.ts'
import { workerdBelow } from './processes.ts'

export const SOURCE_DATABASE = 'bench'
export const DESTINATION_DATABASE = 'dw'
const LOAD_DEADLINE_MS = 180_000

/** Everything a part of the benchmark may use. */
export interface Stage {
  postgres: PostgresServer
  clickhouse: ClickHouseServer
  sluice: Sluice
  /** Paired runs, at least 5 unless a flag says otherwise. */
  runs: number
  /** Starts another service with other settings; it is stopped with everything else. */
  startSluice(vars?: Record<string, string>): Promise<Sluice>
  say(line: string): void
}

export interface Measured {
  seconds: number
  receipt: Receipt
}

export function destinationUri(stage: Stage): string {
  return `clickhouse://bench:bench@127.0.0.1:9000/${DESTINATION_DATABASE}?http_port=${stage.clickhouse.port}&secure=0`
}

export interface LoadRequest {
  sourceUri: string
  stream: string
  table: string
  verify?: 'rows' | 'checksum'
}

export function loadBody(stage: Stage, load: LoadRequest) {
  return {
    identity: `bench-${load.table}`,
    source_uri: load.sourceUri,
    destination_uri: destinationUri(stage),
    verify: load.verify ?? 'rows',
    resources: [{ source_table_name: load.stream, destination_table_name: load.table }],
  }
}

/** POST /ingest, waiting for the answer as a client does. @throws when it does not succeed */
export async function timedLoad(stage: Stage, load: LoadRequest, sluice: Sluice = stage.sluice): Promise<Measured> {
  const startedAtMs = performance.now()
  const response = await fetch(`${sluice.url}/ingest`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(loadBody(stage, load)),
    signal: AbortSignal.timeout(LOAD_DEADLINE_MS),
  })
  const body = (await response.json()) as { message: string; receipt: Receipt }
  const seconds = (performance.now() - startedAtMs) / 1000
  if (response.status !== 200) throw new Error(`POST /ingest answered ${response.status}: ${body.message}`)
  return { seconds, receipt: body.receipt }
}

export function insertUrl(stage: Stage, table: string, format: string): string {
  const query = `INSERT INTO ${DESTINATION_DATABASE}.${table} FORMAT ${format}`
  return `${stage.clickhouse.url}/?${new URLSearchParams({ query, date_time_input_format: 'best_effort', user: 'bench', password: 'bench' })}`
}

export function workerdOf(sluice: Sluice): number[] {
  const pids = sluice.pid === undefined ? [] : workerdBelow(sluice.pid)
  if (pids.length === 0) throw new Error('no workerd process was found below wrangler dev')
  return pids
}

/** Where the seconds of one load went, as its receipt tells it. */
export interface Breakdown {
  /** Before the execution started: request, store, admission. */
  startSeconds: number
  planSeconds: number
  copySeconds: number
  commitSeconds: number
  /** After the last table: the end is stored and the answer sent. */
  endSeconds: number
}

export function breakdown({ seconds, receipt }: Measured): Breakdown {
  const [proof] = receipt.resources
  if (!proof) throw new Error('the receipt names no table')
  const planAndCopy = proof.copy_seconds ?? 0
  const copySeconds = proof.bytes_per_second ? Math.min(planAndCopy, proof.bytes / proof.bytes_per_second) : planAndCopy
  const commitSeconds = proof.commit_seconds ?? 0
  const startSeconds = Math.max(0, seconds - (receipt.duration_seconds ?? seconds))
  return {
    startSeconds,
    planSeconds: planAndCopy - copySeconds,
    copySeconds,
    commitSeconds,
    endSeconds: Math.max(0, seconds - startSeconds - planAndCopy - commitSeconds),
  }
}
