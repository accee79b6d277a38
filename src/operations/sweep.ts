import { executionHandle } from '../execution/handle.ts'
import { listUnended } from '../store/executions.ts'
import type { Deps } from './create-operations.ts'
import { wake } from './start-load.ts'

const SWEEP_MAX = 500

/** Once a minute: wakes every run that has not ended, in case its start, its alarm or its tasks were lost. */
export async function sweep(deps: Deps, olderThanMs: number): Promise<number> {
  const rows = await listUnended(deps.env.DB, Date.now() - olderThanMs, SWEEP_MAX)
  for (const row of rows) {
    await wake(deps, row)
    await executionHandle(deps.env, row.id).poke()
  }
  return rows.length
}
