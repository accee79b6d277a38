import { type Fault, IngestError } from '../../src/core/errors.ts'
import type { ChunkView, ExecutionView, ResourceView } from '../../src/core/execution.ts'
import type { Caller, LoadCommand, LoadPlan, Operations, ResourceCommand } from '../../src/operations/operations.ts'

export const STARTED_MS = Date.UTC(2026, 0, 31, 12, 0, 0)

/** Streams of these names fail in the way they are named after; `slow` takes several waits; all others hold three rows. */
export const FAULTS: Record<string, Fault> = {
  missing_table: {
    tag: 'missing',
    message: 'relation "missing_table" does not exist',
    place: { side: 'source', system: 'postgres', address: 'db.example:5432', resource: 'missing_table' },
    remedy: 'Check the name of the table and its schema.',
    code: '42P01',
  },
  wrong_password: {
    tag: 'denied',
    message: 'password authentication failed for user "app"',
    place: { side: 'source', system: 'postgres', address: 'db.example:5432' },
    remedy: 'Check user and password.',
    code: '28P01',
  },
  unreachable: {
    tag: 'unreachable',
    message: 'Connection refused',
    place: { side: 'destination', system: 'clickhouse', address: 'ch.example:8123' },
    remedy: 'Check that the server runs and can be reached.',
  },
  'report.xlsx': {
    tag: 'unsupported',
    message: 'Files of type .xlsx cannot be read',
    place: { side: 'source', system: 's3', address: 'bucket', resource: 'report.xlsx' },
    remedy: 'Use .csv, .jsonl or .parquet.',
  },
  unequal: {
    tag: 'mismatch',
    message: '3 rows were read and 2 were found',
    place: { side: 'destination', system: 'clickhouse', resource: 'unequal' },
    remedy: 'Run the load again; nothing was published.',
  },
  broken: { tag: 'internal', message: 'TypeError: secret detail' },
}

interface Run {
  caller: Caller
  command: LoadCommand
  views: ExecutionView[]
  at: number
}

/** The engine's handle as the dialect sees it: keeps what it was asked, and plays runs back. */
export class FakeOperations implements Operations {
  readonly started: { caller: Caller; command: LoadCommand }[] = []
  readonly planned: { caller: Caller; command: LoadCommand }[] = []
  readonly waits: number[] = []
  readonly cancelled: string[] = []
  polls = 0
  /** Thrown by the next calls of `startLoad`. */
  startFault: unknown
  /** Thrown by the next calls of `waitForExecution`. */
  waitErrors: unknown[] = []
  private readonly runs = new Map<string, Run>()

  async startLoad(caller: Caller, command: LoadCommand) {
    if (this.startFault) throw this.startFault
    for (const [executionId, run] of this.runs) {
      if (!command.idempotencyKey || run.command.idempotencyKey !== command.idempotencyKey) continue
      if (run.caller.workspaceId !== caller.workspaceId) continue
      if (JSON.stringify(run.command) !== JSON.stringify(command)) {
        throw new IngestError({ tag: 'conflict', reason: 'This idempotency key was used with a different request.' })
      }
      return { executionId, created: false }
    }
    this.started.push({ caller, command })
    const executionId = `execution${this.started.length}`
    this.add(caller, command, viewsOf(executionId, command))
    return { executionId, created: true }
  }

  /** Registers a run that plays `views` back, one step per wait. */
  add(caller: Caller, command: LoadCommand, views: ExecutionView[]): void {
    const first = views[0]
    if (first) this.runs.set(first.id, { caller, command, views, at: 0 })
  }

  async planLoad(caller: Caller, command: LoadCommand): Promise<LoadPlan> {
    this.planned.push({ caller, command })
    const resources = command.resources.map((resource) => ({
      ...resourceOf(resource),
      phase: 'pending' as const,
      deliveredRows: 0,
      bytes: 0,
      chunkBytes: 32 * 1024 * 1024,
      because: 'bytes: both speak tsv',
      statements: [`CREATE TABLE ${resource.table ?? resource.stream} (id Int32) ENGINE = MergeTree ORDER BY id`],
      columns: [
        {
          field: { name: 'id', type: { kind: 'int' as const, bits: 32 as const, signed: true }, nullable: false, sourceType: 'integer' },
          destinationColumn: 'id',
          destinationType: 'Int32',
        },
        {
          field: { name: 'born', type: { kind: 'date' as const }, nullable: true, sourceType: 'date' },
          destinationColumn: 'born',
          destinationType: 'Nullable(Date32)',
          loss: 'only 1900-01-01 to 2299-12-31',
        },
      ],
    }))
    return { ...ENDS, resources }
  }

  async describeExecution(caller: Caller, executionId: string): Promise<ExecutionView> {
    return this.view(this.find(caller, executionId))
  }

  async waitForExecution(caller: Caller, executionId: string, timeoutMs: number): Promise<ExecutionView> {
    this.waits.push(timeoutMs)
    this.polls++
    const error = this.waitErrors.shift()
    if (error) throw error
    const run = this.find(caller, executionId)
    run.at = Math.min(run.at + 1, run.views.length - 1)
    return this.view(run)
  }

  async cancelExecution(caller: Caller, executionId: string): Promise<ExecutionView> {
    const run = this.find(caller, executionId)
    this.cancelled.push(executionId)
    const view = this.view(run)
    if (view.status === 'SUCCESS' || view.status === 'FAILED') return view
    const cancelled: ExecutionView = {
      ...view,
      status: 'FAILED',
      cancelRequested: true,
      endedAtMs: STARTED_MS + 1500,
      fault: { tag: 'cancelled' },
    }
    run.views = [cancelled]
    run.at = 0
    return cancelled
  }

  async latestExecution(caller: Caller, pipeline: string): Promise<ExecutionView> {
    const run = [...this.runs.values()].findLast(
      (each) => each.command.pipeline === pipeline && each.caller.workspaceId === caller.workspaceId,
    )
    if (!run) throw new IngestError({ tag: 'not-found', what: 'pipeline', id: pipeline })
    return run.views.at(-1) as ExecutionView
  }

  async listChunks(caller: Caller, executionId: string, page: { after?: string; limit: number }) {
    this.find(caller, executionId)
    const all: ChunkView[] = ['a', 'b', 'c'].map((id) => ({
      id,
      stream: 'users',
      attempts: 1,
      readRows: 1,
      deliveredRows: 1,
      bytes: 14,
      durationMs: 500,
    }))
    const from = page.after ? all.findIndex(({ id }) => id === page.after) + 1 : 0
    const chunks = all.slice(from, from + page.limit)
    const last = chunks.at(-1)
    return { chunks, ...(last && last.id !== 'c' ? { next: last.id } : {}) }
  }

  private find(caller: Caller, executionId: string): Run {
    const run = this.runs.get(executionId)
    if (!run || run.caller.workspaceId !== caller.workspaceId)
      throw new IngestError({ tag: 'not-found', what: 'execution', id: executionId })
    return run
  }

  private view(run: Run): ExecutionView {
    return run.views[run.at] as ExecutionView
  }
}

const ENDS = {
  source: { system: 'postgres', address: 'db.example:5432' },
  destination: { system: 'clickhouse', address: 'ch.example:8123' },
}

export function resourceOf(resource: ResourceCommand): ResourceView {
  return {
    stream: resource.stream,
    table: resource.table ?? resource.stream,
    mode: resource.mode.type,
    phase: 'done',
    lane: 'bytes: both speak tsv',
    schema: {
      fields: [
        { name: 'id', type: { kind: 'int', bits: 32, signed: true }, nullable: false, sourceType: 'integer' },
        { name: 'name', type: { kind: 'string' }, nullable: true, sourceType: 'text' },
      ],
    },
    notes: [],
    consistency: 'snapshot',
    chunksDone: 1,
    chunksTotal: 1,
    allPlanned: true,
    estimatedRows: 3,
    estimatedBytes: 42,
    bytes: 42,
    bytesPerSecond: 42,
    readRows: 3,
    deliveredRows: 3,
    foundRows: 3,
    foldedRows: 0,
    tableRows: 3,
    startedAtMs: STARTED_MS,
    copiedAtMs: STARTED_MS + 1000,
    endedAtMs: STARTED_MS + 1250,
  }
}

export function successOf(id: string, command: LoadCommand): ExecutionView {
  return {
    id,
    pipeline: command.pipeline,
    status: 'SUCCESS',
    createdAtMs: STARTED_MS - 10,
    startedAtMs: STARTED_MS,
    endedAtMs: STARTED_MS + 1250,
    cancelRequested: false,
    ...ENDS,
    resources: command.resources.map(resourceOf),
    healing: [],
  }
}

/** What is seen of a run before it has ended. */
export function runningOf(id: string, command: LoadCommand, rows: number): ExecutionView {
  const { endedAtMs, ...view } = successOf(id, command)
  return {
    ...view,
    status: 'RUNNING',
    resources: view.resources.map(({ copiedAtMs, endedAtMs: ended, foundRows, foldedRows, tableRows, ...resource }) => ({
      ...resource,
      phase: 'copying',
      deliveredRows: rows,
      readRows: rows,
      bytes: rows * 14,
      chunksDone: 0,
      etaSeconds: 3 - rows,
    })),
  }
}

function viewsOf(id: string, command: LoadCommand): ExecutionView[] {
  const end = successOf(id, command)
  const resources = end.resources.map((resource): ResourceView => {
    const fault = FAULTS[resource.stream]
    if (!fault) return resource
    const { copiedAtMs, foundRows, foldedRows, tableRows, ...rest } = resource
    return { ...rest, phase: 'failed', readRows: 0, deliveredRows: 0, bytes: 0, chunksDone: 0, fault }
  })
  const fault = resources.find((resource) => resource.fault)?.fault
  const ended: ExecutionView = fault ? { ...end, resources, status: 'FAILED', fault } : end
  const slow = command.resources.some(({ stream }) => stream === 'slow')
  return [...(slow ? [0, 1, 2] : [0]).map((rows) => runningOf(id, command, rows)), ended]
}
