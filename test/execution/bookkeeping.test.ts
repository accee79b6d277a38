import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Fault } from '../../src/core/errors.ts'
import { book, bookFault, expireLeases, reconcileAfter, reconcileAll, requestCancel } from '../../src/execution/bookkeeping.ts'
import type { Done } from '../../src/execution/handle.ts'
import { Ledger, NEW_FACTS, type Run, type StepRow } from '../../src/execution/ledger.ts'
import { viewOf } from '../../src/execution/view.ts'

const told = { message: 'm', place: {}, remedy: 'r' }
const command = (stream: string) => ({ stream, mode: { type: 'replace' as const }, rules: { exclude: [], pseudonymize: [] } })

let ledger: Ledger

function sqlite() {
  const database = new DatabaseSync(':memory:')
  return {
    exec(query: string, ...bindings: (string | number | null)[]) {
      return database.prepare(query).all(...bindings)
    },
  }
}

function run(): Run {
  const found = ledger.run()
  if (!found) throw new Error('no run')
  return found
}

/** Lends the next ready step of a kind. */
function lend(kind: StepRow['kind'], nowMs = 0): StepRow {
  const step = ledger.nextReady(nowMs)
  expect(step?.kind).toBe(kind)
  ledger.lend(step?.id ?? 0, nowMs + 1_000, nowMs)
  return ledger.step(step?.id ?? 0) as StepRow
}

function settle(step: StepRow, done: Done, nowMs = 0): void {
  book(ledger, step, done, nowMs)
  reconcileAfter(ledger, run(), step, nowMs)
}

function fail(step: StepRow, fault: Fault, nowMs = 0): void {
  bookFault(ledger, run(), step, fault, nowMs, 0.5)
  reconcileAfter(ledger, run(), step, nowMs)
}

const planned: Done = {
  kind: 'plan',
  description: {
    stream: 'users',
    defaultTable: 'users',
    schema: { fields: [] },
    key: [],
    emits: [],
    rulesApplied: true,
    consistency: 'snapshot',
    notes: [],
    details: null,
  },
  targetPlan: {
    target: { table: 'users', schema: { fields: [] }, mode: { type: 'replace' }, sourceKey: [], unrepresentable: 'fail', startedAtMs: 0 },
    statements: [],
    columns: [],
    notes: [],
    details: null,
  },
  lane: { from: { via: 'records' }, to: { via: 'records' }, because: 'records' },
}
const prepared = (chunks: number, allPlanned = true): Done => ({
  kind: 'prepare',
  prepared: { stage: 1 },
  chunks: Array.from({ length: chunks }, (_, index) => ({ id: `c${index}`, slice: index })),
  allPlanned,
})
const copied = (step: StepRow, rows: number, readRows: number | undefined = rows): Done => ({
  kind: 'copy',
  receipt: { chunkId: step.chunk?.id ?? '', rows, bytes: 10, staged: null },
  bytes: 10,
  readRows,
})
const committed = (foundRows: number, foldedRows = 0): Done => ({
  kind: 'commit',
  result: { foundRows, tableRows: foundRows, foldedRows, notes: [] },
})

beforeEach(() => {
  ledger = new Ledger(sqlite())
  const start = { executionId: 'e1', workspaceId: 'w', pipeline: 'p', sealedCommand: 's', createdAtMs: 0, verify: 'rows' as const }
  const ends = { source: { system: 'postgres', address: 'h:1' }, destination: { system: 'clickhouse', address: 'h:2' } }
  ledger.saveRun({
    ...start,
    ...ends,
    resources: [command('users')],
    cancelRequested: false,
    parallelism: 4,
    generation: 0,
    startedAtMs: 0,
  })
  ledger.saveCommand(0, command('users'), 'users')
  reconcileAll(ledger, run(), 0)
})

describe('an execution, step by step', () => {
  it('plans, prepares, copies every chunk and commits once', () => {
    settle(lend('plan'), planned)
    settle(lend('prepare'), prepared(2))
    const [first, second] = [lend('copy'), lend('copy')]
    settle(second, copied(second, 5))
    expect(ledger.nextReady(0)).toBeUndefined()
    settle(first, copied(first, 7))
    settle(lend('commit'), committed(12))
    expect(viewOf(ledger, { ...run(), endedAtMs: 9 }, new Map(), 9)).toMatchObject({
      status: 'SUCCESS',
      resources: [{ phase: 'done', readRows: 12, deliveredRows: 12, foundRows: 12, chunksDone: 2, chunksTotal: 2 }],
    })
  })
  it('is FAILED, never SUCCESS, when the destination shows fewer rows than were delivered', () => {
    settle(lend('plan'), planned)
    settle(lend('prepare'), prepared(1))
    const copy = lend('copy')
    settle(copy, copied(copy, 5))
    settle(lend('commit'), committed(4))
    const view = viewOf(ledger, { ...run(), endedAtMs: 9 }, new Map(), 9)
    expect(view).toMatchObject({ status: 'FAILED', fault: { tag: 'mismatch' } })
  })
  it('counts rows that a merge folds as accounted for', () => {
    settle(lend('plan'), planned)
    settle(lend('prepare'), prepared(1))
    const copy = lend('copy')
    settle(copy, copied(copy, 5))
    settle(lend('commit'), committed(3, 2))
    expect(ledger.facts(0).phase).toBe('done')
  })
  it('does not claim a number of rows read when one chunk could not be counted', () => {
    settle(lend('plan'), planned)
    settle(lend('prepare'), prepared(2))
    const [first, second] = [lend('copy'), lend('copy')]
    settle(first, copied(first, 5))
    settle(second, { ...copied(second, 5), readRows: undefined } as Done)
    expect(ledger.facts(0).deliveredRows).toBe(10)
    expect(ledger.facts(0).readRows).toBeUndefined()
  })
  it('plans further windows while chunks are copied', () => {
    settle(lend('plan'), planned)
    settle(lend('prepare'), prepared(1, false))
    settle(lend('window'), { kind: 'window', chunks: [{ id: 'c9', slice: 9 }], allPlanned: true })
    expect(ledger.facts(0)).toMatchObject({ chunksTotal: 2, allPlanned: true, planningMore: false, lastChunk: { id: 'c9' } })
  })
})

describe('resources that share a snapshot', () => {
  const withCursor = { ...command('orders'), cursor: { column: 'id', startInclusive: false, endInclusive: false, keepsState: true } }
  beforeEach(() => {
    ledger.forget(0)
    ledger.saveFacts(0, NEW_FACTS)
    ledger.saveRun({ ...run(), resources: [command('users'), withCursor] })
    ledger.saveCommand(1, withCursor, 'orders')
    reconcileAll(ledger, run(), 0)
  })
  it('copy nothing before every cursor has its end: rows behind it must be in the snapshot', () => {
    const [users, orders] = [lend('plan'), lend('plan')]
    settle(users, planned)
    expect(ledger.nextReady(0)).toBeUndefined()
    settle(orders, planned)
    expect([lend('prepare').resource, lend('prepare').resource]).toEqual([0, 1])
  })
  it('do not wait for one that cannot be described', () => {
    const [users, orders] = [lend('plan'), lend('plan')]
    settle(users, planned)
    fail(orders, { tag: 'missing', ...told })
    expect(lend('prepare').resource).toBe(0)
    expect(ledger.facts(1).phase).toBe('failed')
  })
})

describe('when a step fails', () => {
  it('is tried again later, under a higher lease number, and the action is on record', () => {
    const step = lend('plan')
    fail(step, { tag: 'unreachable', ...told })
    expect(ledger.nextReady(0)).toBeUndefined()
    expect(ledger.healing(0)).toBe(true)
    const again = ledger.nextReady(10_000)
    expect(again).toMatchObject({ id: step.id, failures: 1 })
    expect(again?.lease).toBeGreaterThan(step.lease)
    expect(ledger.healingActions()).toMatchObject([{ rule: 'retry', attempt: 1, cause: { tag: 'unreachable' } }])
  })
  it('stops the others of its resource, cleans up, and tells the first cause', () => {
    settle(lend('plan'), planned)
    settle(lend('prepare'), prepared(3))
    const [first, second] = [lend('copy'), lend('copy')]
    fail(first, { tag: 'bad-data', ...told })
    expect(ledger.nextReady(0)).toBeUndefined()
    fail(second, { tag: 'cancelled' })
    settle(lend('abort'), { kind: 'abort' })
    expect(ledger.facts(0)).toMatchObject({ phase: 'failed', fault: { tag: 'bad-data' } })
    expect(ledger.receipts(0, 0, 10)).toEqual([])
  })
  it('halves the parallelism when an end says it is too much', () => {
    fail(lend('plan'), { tag: 'throttled', ...told })
    expect(run().parallelism).toBe(2)
    expect(ledger.healingActions()[0]).toMatchObject({ rule: 'lower-parallelism', before: { parallelism: 4 }, after: { parallelism: 2 } })
  })
  it('reads the stream again in one piece when a cut was misplaced, and forgets what was read before', () => {
    settle(lend('plan'), planned)
    settle(lend('prepare'), prepared(3))
    const [first, second] = [lend('copy'), lend('copy')]
    settle(first, copied(first, 5))
    fail(second, { tag: 'misplaced-cut', ...told })
    lend('prepare')
    expect(ledger.facts(0)).toMatchObject({ phase: 'preparing', wholeStream: true, deliveredRows: 0, chunksTotal: 0, readRows: 0 })
    expect(ledger.receipts(0, 0, 10)).toEqual([])
  })
  it('says that snapshots were mixed when chunks came from more than one', () => {
    settle(lend('plan'), planned)
    settle(lend('prepare'), prepared(2))
    for (const generation of [1, 2]) {
      const step = lend('copy')
      ledger.setGeneration(step.id, generation)
      settle({ ...step, generation }, copied(step, 1))
    }
    expect(viewOf(ledger, run(), new Map(), 0).resources[0]?.consistency).toBe('mixed')
  })
})

describe('a worker that died', () => {
  it('loses its step to another one, and its late answer carries an old number', () => {
    const step = lend('plan')
    expect(expireLeases(ledger, 999)).toEqual([])
    expireLeases(ledger, 1_000)
    const again = lend('plan', 1_000)
    expect(again.lease).toBeGreaterThan(step.lease)
    expect(ledger.healingActions()).toMatchObject([{ rule: 'hand-over-lease' }])
  })
  it('cannot note a point of no return any more, while its successor can', () => {
    settle(lend('plan'), planned)
    settle(lend('prepare'), prepared(0))
    const lost = lend('commit')
    expect(ledger.saveJournal(lost.id, lost.lease, 'before the first swap')).toBe(true)
    expireLeases(ledger, 1_001)
    expect(ledger.saveJournal(lost.id, lost.lease, 'before a second swap')).toBe(false)
    const next = lend('commit', 1_001)
    expect(ledger.journal(0)).toBe('before the first swap')
    expect(ledger.saveJournal(lost.id, lost.lease, 'before a second swap')).toBe(false)
    expect(ledger.saveJournal(next.id, next.lease, 'done')).toBe(true)
    expect(ledger.journal(0)).toBe('done')
  })
  it('fails the resource when the same step loses one worker after another', () => {
    for (let round = 0; round <= 20; round++) {
      lend('plan', round * 2_000)
      expireLeases(ledger, round * 2_000 + 1_000)
    }
    reconcileAll(ledger, run(), 0)
    expect(ledger.facts(0)).toMatchObject({ phase: 'failed', fault: { tag: 'internal' } })
  })
})

describe('a cancel', () => {
  it('ends a resource that was never planned without touching the destination', () => {
    requestCancel(ledger, run())
    reconcileAll(ledger, run(), 0)
    expect(ledger.facts(0)).toMatchObject({ phase: 'failed', fault: { tag: 'cancelled' } })
  })
  it('tells running copies to stop and removes what they staged', () => {
    settle(lend('plan'), planned)
    settle(lend('prepare'), prepared(2))
    const step = lend('copy')
    requestCancel(ledger, run())
    reconcileAll(ledger, run(), 0)
    expect(ledger.nextReady(0)).toBeUndefined()
    fail(step, { tag: 'cancelled' })
    lend('abort')
  })
  it('comes too late for a commit that has started, which is then finished', () => {
    settle(lend('plan'), planned)
    settle(lend('prepare'), prepared(1))
    const copy = lend('copy')
    settle(copy, copied(copy, 5))
    const commit = lend('commit')
    requestCancel(ledger, run())
    reconcileAll(ledger, run(), 0)
    settle(commit, committed(5))
    expect(ledger.facts(0).phase).toBe('done')
  })
})

it('keeps a ledger of 100,000 chunks usable', () => {
  settle(lend('plan'), planned)
  settle(lend('prepare'), prepared(100_000))
  const step = lend('copy')
  settle(step, copied(step, 1))
  expect(ledger.claimable(0, 4)).toBe(4)
  expect(ledger.receipts(0, 0, 500)).toHaveLength(1)
}, 60_000)
