import type { Fault } from '../core/errors.ts'
import { PLAN_WINDOW_CHUNKS } from '../limits.ts'

/**
 * `pending → planning → planned → preparing → copying → committing → done`, and from anywhere `→ cleaning → failed`.
 * `replanning` throws chunks away and goes back to preparing.
 */
export type Phase =
  | 'pending'
  | 'planning'
  | 'planned'
  | 'preparing'
  | 'copying'
  | 'replanning'
  | 'committing'
  | 'cleaning'
  | 'done'
  | 'failed'

/** The facts of one resource that decide what comes next. */
export interface ResourceState {
  phase: Phase
  fault?: Fault
  /** The description and plan are known: there may be something to clean up at the destination. */
  planned: boolean
  /**
   * No resource that moves a cursor is still being described. The snapshot that all resources share is taken with the
   * first chunk: an end of a cursor range found after it would lie behind rows that the snapshot does not show.
   */
  cursorsKnown: boolean
  allPlanned: boolean
  /** A `window` step is under way. */
  planningMore: boolean
  /** Copy steps that wait or run. */
  openCopies: number
  /** Steps of any kind that are lent out. */
  leased: number
}

export type Action =
  | { do: 'nothing' }
  | { do: 'step'; kind: 'plan' | 'prepare' | 'window' | 'commit' | 'abort'; phase: Phase }
  /** Steps that nobody works on are taken back; those lent out are told to stop when they report. */
  | { do: 'withdraw' }
  | { do: 'end'; phase: 'done' | 'failed' }

/**
 * What one resource needs next, from its stored state alone: asked after every change and on every alarm, so a lost
 * answer or a restart changes nothing. The caller stores the phase with the step, in one transaction.
 */
export function advance(state: ResourceState): Action {
  if (hasEnded(state.phase)) return { do: 'nothing' }
  if (state.fault && state.phase !== 'cleaning') {
    if (state.leased > 0) return { do: 'withdraw' }
    return state.planned ? { do: 'step', kind: 'abort', phase: 'cleaning' } : { do: 'end', phase: 'failed' }
  }
  switch (state.phase) {
    case 'pending':
      return { do: 'step', kind: 'plan', phase: 'planning' }
    case 'planned':
      return state.cursorsKnown ? { do: 'step', kind: 'prepare', phase: 'preparing' } : { do: 'nothing' }
    case 'replanning':
      return state.leased > 0 ? { do: 'withdraw' } : { do: 'step', kind: 'prepare', phase: 'preparing' }
    case 'copying':
      if (!state.allPlanned) {
        const more = !state.planningMore && state.openCopies < PLAN_WINDOW_CHUNKS / 2
        return more ? { do: 'step', kind: 'window', phase: 'copying' } : { do: 'nothing' }
      }
      return state.openCopies === 0 ? { do: 'step', kind: 'commit', phase: 'committing' } : { do: 'nothing' }
    case 'planning':
    case 'preparing':
    case 'committing':
    case 'cleaning':
      return { do: 'nothing' }
  }
}

export function hasEnded(phase: Phase): phase is 'done' | 'failed' {
  return phase === 'done' || phase === 'failed'
}

/** How many more workers to ask the queue for; each does up to `handsPerWorker` steps at once. */
export function workersWanted(counts: {
  parallelism: number
  leased: number
  claimable: number
  busyWorkers: number
  handsPerWorker: number
}): number {
  const workersFor = (steps: number) => Math.ceil(steps / counts.handsPerWorker)
  const useful = workersFor(Math.min(counts.parallelism, counts.leased + counts.claimable))
  return Math.max(0, useful - Math.max(counts.busyWorkers, workersFor(counts.leased)))
}
