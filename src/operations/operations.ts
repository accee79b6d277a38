import type { ColumnRules, CursorRange, WriteMode } from '../core/chunk.ts'
import type { ChunkView, EndView, ExecutionView, ResourceView } from '../core/execution.ts'

/** Who asks. The workspace comes from the credential alone. */
export interface Caller {
  workspaceId: string
  keyId: string
}

/** Move streams of one source into tables of one destination. URIs carry credentials: never logged, stored only encrypted. */
export interface LoadCommand {
  /** Names what is kept between runs (cursors); runs of one name follow each other. */
  pipeline: string
  sourceUri: string
  destinationUri: string
  dataset?: string
  resources: ResourceCommand[]
  /** `checksum` adds a content checksum computed by both ends to the count of rows. */
  verify: 'rows' | 'checksum'
  unrepresentable: 'fail' | 'null'
  /** The same key gives the same execution. */
  idempotencyKey?: string
}

export interface ResourceCommand {
  stream: string
  table?: string
  mode: WriteMode
  rules: ColumnRules
  /** `keepsState`: go on behind the last successful run, and remember where this one ended. `start` is the first run's beginning. */
  cursor?: CursorRange & { keepsState: boolean }
}

/** What a load would do, found out without changing anything. */
export interface LoadPlan {
  source: EndView
  destination: EndView
  resources: (ResourceView & { chunkBytes: number; because: string })[]
}

/** The verbs an API may ask for; one file each. All throw `IngestError`; nothing of another workspace is ever found. */
export interface Operations {
  startLoad(caller: Caller, command: LoadCommand): Promise<{ executionId: string; created: boolean }>
  planLoad(caller: Caller, command: LoadCommand): Promise<LoadPlan>
  describeExecution(caller: Caller, executionId: string): Promise<ExecutionView>
  /** Resolves when the execution has ended, or with its current state after `timeoutMs`. */
  waitForExecution(caller: Caller, executionId: string, timeoutMs: number): Promise<ExecutionView>
  /** Idempotent; what has ended stays as it is. */
  cancelExecution(caller: Caller, executionId: string): Promise<ExecutionView>
  /** The newest run of a name. */
  latestExecution(caller: Caller, pipeline: string): Promise<ExecutionView>
  listChunks(caller: Caller, executionId: string, page: { after?: string; limit: number }): Promise<{ chunks: ChunkView[]; next?: string }>
}
