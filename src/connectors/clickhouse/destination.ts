import type { CommitResult, Json, Receipt, Target, TargetPlan } from '../../core/chunk.ts'
import type { Attempt, Destination, Io, Journal } from '../../core/connector.ts'
import type { Lane, Payload } from '../../core/payload.ts'
import { checksumFields, checksumStage } from './checksum-staged.ts'
import { commitLoad } from './commit-load.ts'
import { ClickHouseHttp, type Endpoint } from './http.ts'
import type { Load, LoadPlan, Stage } from './load.ts'
import { type PlanSettings, planTarget } from './plan-target.ts'
import { stageChunk } from './stage-chunk.ts'
import { dropCreatedDatabase, dropLoad, prepareLoad } from './staging-tables.ts'

const COMPRESSIONS = ['none', 'gzip', 'zstd'] as const

/** A ClickHouse database: each attempt writes a table of its own, a swap publishes them all. See README.md. */
export class ClickHouseDestination implements Destination {
  readonly accepts: readonly Lane[] = [
    { via: 'bytes', format: { encoding: 'tsv', compression: 'none' } },
    { via: 'bytes', format: { encoding: 'parquet', compression: 'none' } },
    ...COMPRESSIONS.map((compression): Lane => ({ via: 'bytes', format: { encoding: 'jsonl', compression } })),
    ...COMPRESSIONS.map((compression): Lane => ({ via: 'bytes', format: { encoding: 'csv', compression } })),
  ]
  private readonly http: ClickHouseHttp
  private readonly io: Io
  private readonly settings: PlanSettings

  constructor(endpoint: Endpoint, settings: PlanSettings, io: Io) {
    this.http = new ClickHouseHttp(endpoint, io)
    this.io = io
    this.settings = settings
  }

  async check(): Promise<void> {
    await this.http.rows('SELECT 1 AS one')
  }

  async plan(target: Target): Promise<TargetPlan> {
    return await planTarget(this.http, target, this.settings)
  }

  async prepare(plan: TargetPlan, loadId: string): Promise<Json> {
    return (await prepareLoad(this.http, plan.details as unknown as LoadPlan, loadId)) as unknown as Json
  }

  async write(prepared: Json, attempt: Attempt, payload: Payload, onProgress: (bytes: number) => void): Promise<Receipt> {
    return await stageChunk(this.http, this.io, asLoad(prepared), attempt, payload, onProgress)
  }

  async commit(prepared: Json, receipts: AsyncIterable<Receipt>, journal: Journal): Promise<CommitResult> {
    return await commitLoad(this.http, this.io, asLoad(prepared), receipts, journal)
  }

  async abort(prepared: Json): Promise<void> {
    await dropLoad(this.http, asLoad(prepared))
    await dropCreatedDatabase(this.http, asLoad(prepared))
  }

  async checksum(prepared: Json, receipt: Receipt, fields: string[]): Promise<string> {
    return await checksumStage(this.http, asLoad(prepared), receipt.staged as unknown as Stage, fields)
  }

  checksumFields(prepared: Json): string[] {
    return checksumFields(asLoad(prepared))
  }

  /** Requests keep no state; sockets belong to the platform. */
  async close(): Promise<void> {}
}

/** Only what `prepare` of this class returned comes back here. */
function asLoad(prepared: Json): Load {
  return prepared as unknown as Load
}
