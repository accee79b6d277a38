import { IngestError } from '../core/errors.ts'
import type { ChunkView, ExecutionView } from '../core/execution.ts'
import { executionHandle } from '../execution/handle.ts'
import { type ExecutionRow, findExecution, findLatestExecution } from '../store/executions.ts'
import type { Deps } from './create-operations.ts'
import type { Caller } from './operations.ts'

/** @throws IngestError `not-found`, also for what belongs to another workspace */
export async function findRow(deps: Deps, caller: Caller, executionId: string): Promise<ExecutionRow> {
  const row = await findExecution(deps.env.DB, caller.workspaceId, executionId)
  if (!row) throw new IngestError({ tag: 'not-found', what: 'execution', id: executionId })
  return row
}

export async function describeExecution(deps: Deps, caller: Caller, executionId: string): Promise<ExecutionView> {
  return await viewOfRow(deps, await findRow(deps, caller, executionId))
}

export async function waitForExecution(deps: Deps, caller: Caller, executionId: string, timeoutMs: number): Promise<ExecutionView> {
  const row = await findRow(deps, caller, executionId)
  if (row.view) return JSON.parse(row.view) as ExecutionView
  return (await executionHandle(deps.env, row.id).wait(timeoutMs)) ?? notStarted(row)
}

export async function latestExecution(deps: Deps, caller: Caller, pipeline: string): Promise<ExecutionView> {
  const row = await findLatestExecution(deps.env.DB, caller.workspaceId, pipeline)
  if (!row) throw new IngestError({ tag: 'not-found', what: 'pipeline', id: pipeline })
  return await viewOfRow(deps, row)
}

export async function listChunks(
  deps: Deps,
  caller: Caller,
  executionId: string,
  page: { after?: string; limit: number },
): Promise<{ chunks: ChunkView[]; next?: string }> {
  const row = await findRow(deps, caller, executionId)
  const after = Number.parseInt(page.after ?? '0', 10)
  const { chunks, next } = await executionHandle(deps.env, row.id).chunks(Number.isFinite(after) ? after : 0, page.limit)
  return { chunks, ...(next !== null && { next: String(next) }) }
}

export async function viewOfRow(deps: Deps, row: ExecutionRow): Promise<ExecutionView> {
  if (row.view) return JSON.parse(row.view) as ExecutionView
  return (await executionHandle(deps.env, row.id).view()) ?? notStarted(row)
}

/** Stored, but its object has not been woken yet; the sweeper will. */
function notStarted(row: ExecutionRow): ExecutionView {
  return {
    id: row.id,
    pipeline: row.pipeline,
    status: 'PENDING',
    createdAtMs: row.createdAtMs,
    cancelRequested: false,
    source: { system: 'unknown', address: '' },
    destination: { system: 'unknown', address: '' },
    resources: [],
    healing: [],
  }
}
