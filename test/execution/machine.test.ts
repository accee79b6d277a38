import { describe, expect, it } from 'vitest'
import { advance, type ResourceState, workersWanted } from '../../src/execution/machine.ts'

const copying: ResourceState = {
  phase: 'copying',
  planned: true,
  cursorsKnown: true,
  allPlanned: true,
  planningMore: false,
  openCopies: 3,
  leased: 2,
}

describe('what a resource needs next', () => {
  it('is planned first', () => {
    expect(advance({ ...copying, phase: 'pending', planned: false })).toEqual({ do: 'step', kind: 'plan', phase: 'planning' })
  })
  it('is prepared once every cursor of the run has its end', () => {
    expect(advance({ ...copying, phase: 'planned', cursorsKnown: false })).toEqual({ do: 'nothing' })
    expect(advance({ ...copying, phase: 'planned' })).toEqual({ do: 'step', kind: 'prepare', phase: 'preparing' })
  })
  it('waits while chunks are under way', () => {
    expect(advance(copying)).toEqual({ do: 'nothing' })
  })
  it('plans more when half of the window is done, but only once at a time', () => {
    expect(advance({ ...copying, allPlanned: false, openCopies: 400 })).toEqual({ do: 'nothing' })
    expect(advance({ ...copying, allPlanned: false, openCopies: 249 })).toMatchObject({ kind: 'window' })
    expect(advance({ ...copying, allPlanned: false, openCopies: 0, planningMore: true })).toEqual({ do: 'nothing' })
  })
  it('is committed only when everything is planned and copied', () => {
    expect(advance({ ...copying, openCopies: 0, leased: 0, allPlanned: false })).not.toMatchObject({ kind: 'commit' })
    expect(advance({ ...copying, openCopies: 0, leased: 0 })).toEqual({ do: 'step', kind: 'commit', phase: 'committing' })
  })
  it('after a fault stops what runs, then cleans up, and never commits', () => {
    const fault = { tag: 'cancelled' } as const
    expect(advance({ ...copying, fault })).toEqual({ do: 'withdraw' })
    expect(advance({ ...copying, fault, leased: 0, openCopies: 0 })).toEqual({ do: 'step', kind: 'abort', phase: 'cleaning' })
    expect(advance({ ...copying, fault, phase: 'cleaning', leased: 0 })).toEqual({ do: 'nothing' })
  })
  it('has nothing to clean up when it failed before it was planned', () => {
    expect(advance({ ...copying, phase: 'planning', planned: false, leased: 0, fault: { tag: 'cancelled' } })).toEqual({
      do: 'end',
      phase: 'failed',
    })
  })
  it('is planned anew in one piece only when no chunk of the old plan runs', () => {
    expect(advance({ ...copying, phase: 'replanning', leased: 1 })).toEqual({ do: 'withdraw' })
    expect(advance({ ...copying, phase: 'replanning', leased: 0 })).toMatchObject({ kind: 'prepare', phase: 'preparing' })
  })
  it('is left alone once it has ended, whatever is said about it', () => {
    for (const phase of ['done', 'failed'] as const) {
      expect(advance({ ...copying, phase, fault: { tag: 'cancelled' }, openCopies: 0, leased: 0 })).toEqual({ do: 'nothing' })
    }
  })
})

describe('workers wanted', () => {
  it('are no more than there is work, and no more than allowed', () => {
    const counts = { parallelism: 4, handsPerWorker: 1 }
    expect(workersWanted({ ...counts, leased: 0, claimable: 1, busyWorkers: 0 })).toBe(1)
    expect(workersWanted({ ...counts, leased: 1, claimable: 50, busyWorkers: 1 })).toBe(3)
    expect(workersWanted({ ...counts, leased: 4, claimable: 50, busyWorkers: 4 })).toBe(0)
    expect(workersWanted({ ...counts, parallelism: 1, leased: 0, claimable: 50, busyWorkers: 3 })).toBe(0)
  })
  it('are fewer when each does several steps at once', () => {
    const counts = { parallelism: 4, handsPerWorker: 2 }
    expect(workersWanted({ ...counts, leased: 0, claimable: 2, busyWorkers: 0 })).toBe(1)
    expect(workersWanted({ ...counts, leased: 2, claimable: 9, busyWorkers: 1 })).toBe(1)
    expect(workersWanted({ ...counts, leased: 3, claimable: 9, busyWorkers: 0 })).toBe(0)
  })
})
