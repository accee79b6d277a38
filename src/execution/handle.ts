import type { Chunk, CommitResult, Json, Receipt, StreamDescription, TargetPlan } from '../core/chunk.ts'
import type { Fault } from '../core/errors.ts'
import type { ChunkView, EndView, ExecutionView } from '../core/execution.ts'
import type { Env } from '../env.ts'
import type { ResourceCommand } from '../operations/operations.ts'
import type { LaneChoice } from '../transfer/choose-lane.ts'

/** What an execution is started with. `sealedCommand` is a LoadCommand, encrypted and bound to the execution's id. */
export interface Start {
  executionId: string
  workspaceId: string
  pipeline: string
  sealedCommand: string
  createdAtMs: number
  source: EndView
  destination: EndView
  verify: 'rows' | 'checksum'
  /** Free of secrets. */
  resources: ResourceCommand[]
}

/** What a worker must know before it takes its first step. */
export interface Admission {
  workspaceId: string
  pipeline: string
  sealedCommand: string
}

/** One step, lent to one worker until its lease runs out. */
export interface Assignment {
  stepId: number
  /** Grows with every hand-over; an answer under an older number is refused. */
  lease: number
  resource: number
  command: ResourceCommand
  startedAtMs: number
  work: Work
}

export type Work =
  | { kind: 'plan' }
  | { kind: 'prepare'; description: StreamDescription; targetPlan: TargetPlan; wholeStream: boolean }
  | { kind: 'window'; description: StreamDescription; after: Chunk; wholeStream: boolean }
  | { kind: 'copy'; description: StreamDescription; prepared: Json; lane: LaneChoice; chunk: Chunk; snapshot?: Json }
  | { kind: 'commit'; prepared: Json; commitKey: string }
  | { kind: 'abort'; targetPlan: TargetPlan; prepared: Json | null }

export type Outcome =
  | { ok: true; done: Done }
  /** `attempt` gave up; `fault` says why. */
  | { ok: false; fault: Fault }

export type Done =
  | { kind: 'plan'; description: StreamDescription; targetPlan: TargetPlan; lane: LaneChoice }
  | { kind: 'prepare'; prepared: Json; chunks: Chunk[]; allPlanned: boolean }
  | { kind: 'window'; chunks: Chunk[]; allPlanned: boolean }
  | {
      kind: 'copy'
      receipt: Receipt
      readRows?: number
      bytes: number
      checksum?: { source: string; destination: string; fields: string[] }
    }
  | { kind: 'commit'; result: CommitResult }
  | { kind: 'abort' }

/** The remote side of an execution's object. Every call may fail with the platform's own errors and be repeated. */
export interface ExecutionHandle {
  /** Idempotent. */
  start(start: Start): Promise<void>
  /** Wakes an object that may have lost its alarm. */
  poke(): Promise<void>
  /** A worker takes its place; null when there is nothing (more) to do. */
  enter(slot: number): Promise<Admission | null>
  claim(slot: number): Promise<Assignment | null>
  /** About twice a second while a step runs. `stop`: give up at once, the answer is no longer wanted. */
  renew(stepId: number, lease: number, bytes: number): Promise<'go-on' | 'stop'>
  settle(stepId: number, lease: number, outcome: Outcome): Promise<void>
  /** A worker leaves; what is ready is offered to the queue again. */
  leave(slot: number): Promise<void>
  receipts(resource: number, afterStepId: number, limit: number): Promise<{ stepId: number; receipt: Receipt }[]>
  loadJournal(resource: number): Promise<Json | null>
  /** False when the step is no longer this worker's: it must not pass the point of no return that it wanted to note. */
  saveJournal(stepId: number, lease: number, entry: Json): Promise<boolean>
  /** null: nothing was ever started here. */
  view(): Promise<ExecutionView | null>
  /** Resolves at the end of the run, or after `timeoutMs` with what is then. */
  wait(timeoutMs: number): Promise<ExecutionView | null>
  cancel(): Promise<ExecutionView | null>
  chunks(afterStepId: number, limit: number): Promise<{ chunks: ChunkView[]; next: number | null }>
}

/** The platform's generated stub types do not survive recursive JSON, so the contract above is asserted here, once. */
export function executionHandle(env: Env, executionId: string): ExecutionHandle {
  return env.EXECUTIONS.get(env.EXECUTIONS.idFromName(executionId)) as unknown as ExecutionHandle
}
