import type { ColumnPlan, Json, WriteMode } from './chunk.ts'
import type { Fault } from './errors.ts'
import type { Schema } from './schema.ts'

/** What anybody may know about one run. Everything here is JSON and free of secrets and row data. */
export interface ExecutionView {
  id: string
  /** The name that holds cursors and serialises runs. */
  pipeline: string
  status: ExecutionStatus
  createdAtMs: number
  startedAtMs?: number
  endedAtMs?: number
  cancelRequested: boolean
  source: EndView
  destination: EndView
  resources: ResourceView[]
  healing: HealingAction[]
  /** Why it FAILED: the first resource's fault, or what stopped the whole run. */
  fault?: Fault
}

export type ExecutionStatus = 'PENDING' | 'RUNNING' | 'HEALING' | 'SUCCESS' | 'FAILED'

export interface EndView {
  /** Connector kind. */
  system: string
  /** Without credentials. */
  address: string
}

export type ResourcePhase = 'pending' | 'planning' | 'copying' | 'committing' | 'done' | 'failed'

export interface ResourceView {
  stream: string
  table: string
  mode: WriteMode['type']
  phase: ResourcePhase
  /** `bytes: both speak tsv` */
  lane?: string
  schema?: Schema
  columns?: ColumnPlan[]
  statements?: string[]
  notes: string[]
  /** Whether all chunks show one state of the source. `mixed`: a snapshot was lost and replaced on the way. */
  consistency?: 'snapshot' | 'chunk' | 'object' | 'mixed'
  chunksDone: number
  chunksTotal: number
  /** False while more chunks may still be planned. */
  allPlanned: boolean
  estimatedRows?: number
  estimatedBytes?: number
  /** Handed over so far, chunks under way included. */
  bytes: number
  bytesPerSecond?: number
  etaSeconds?: number
  /** What the source says it sent. Absent where it could not be counted without parsing. */
  readRows?: number
  /** What the destination says it took. */
  deliveredRows: number
  /** Rows of this load that are in the destination table after the commit. */
  foundRows?: number
  /** Rows the write mode itself left out. */
  foldedRows?: number
  tableRows?: number
  checksum?: ChecksumView
  startedAtMs?: number
  copiedAtMs?: number
  endedAtMs?: number
  fault?: Fault
}

export interface ChecksumView {
  /** `sum-md5-32` when both ends computed it, else how the destination compared its stages with the table. */
  method: string
  fields?: string[]
  source?: string
  destination?: string
  equal: boolean
}

/** One thing done about a fault, with its cause. */
export interface HealingAction {
  rule: 'retry' | 'split-chunk' | 'lower-parallelism' | 'new-snapshot' | 'replan-whole' | 'hand-over-lease'
  cause: Fault
  before: Json
  after: Json
  attempt: number
  atMs: number
}

export interface ChunkView {
  id: string
  stream: string
  attempts: number
  readRows?: number
  deliveredRows?: number
  bytes?: number
  checksum?: string
  durationMs?: number
}
