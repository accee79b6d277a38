import type { ExecutionView } from '../core/execution.ts'
import { executionHandle } from '../execution/handle.ts'
import type { Deps } from './create-operations.ts'
import { findRow, viewOfRow } from './describe-execution.ts'
import type { Caller } from './operations.ts'
import { wake } from './start-load.ts'

/** Asks a run to stop: it shows at once, and what is staged is removed before the run counts as ended. Repeatable. */
export async function cancelExecution(deps: Deps, caller: Caller, executionId: string): Promise<ExecutionView> {
  const row = await findRow(deps, caller, executionId)
  if (row.view) return await viewOfRow(deps, row)
  // A run whose object never woke must exist there before it can be cancelled.
  await wake(deps, row)
  return (await executionHandle(deps.env, row.id).cancel()) ?? (await viewOfRow(deps, row))
}
