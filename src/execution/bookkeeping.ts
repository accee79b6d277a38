import { addChecksums } from '../core/checksum.ts'
import type { Chunk } from '../core/chunk.ts'
import type { Fault } from '../core/errors.ts'
import type { HealingAction } from '../core/execution.ts'
import type { ResourceCommand } from '../operations/operations.ts'
import { judge } from '../transfer/retry.ts'
import type { Done } from './handle.ts'
import { type Ledger, NO_PROGRESS, type ResourceFacts, type Run, type StepRow } from './ledger.ts'
import { advance } from './machine.ts'

/** Healing actions kept per execution; more of the same say nothing new. */
const HEALING_ACTIONS_MAX = 200

/** Stores what a step brought. The caller has checked the lease, and calls `reconcile` afterwards. */
export function book(ledger: Ledger, step: StepRow, done: Done, nowMs: number): void {
  const facts = { ...ledger.facts(step.resource) }
  switch (done.kind) {
    case 'plan':
      ledger.savePlanned(step.resource, done)
      facts.phase = 'planned'
      break
    case 'prepare':
      ledger.savePrepared(step.resource, done.prepared)
      facts.phase = 'copying'
      facts.copyStartedAtMs = nowMs
      addChunks(ledger, step.resource, facts, done.chunks, done.allPlanned)
      break
    case 'window':
      facts.planningMore = false
      addChunks(ledger, step.resource, facts, done.chunks, done.allPlanned)
      break
    case 'copy':
      bookCopy(facts, step, done)
      if (facts.openCopies === 0 && facts.allPlanned) facts.copiedAtMs = nowMs
      break
    case 'commit':
      bookCommit(ledger, step.resource, facts, done, nowMs)
      break
    case 'abort':
      facts.phase = 'failed'
      facts.endedAtMs = nowMs
      break
  }
  ledger.finish(step.id, nowMs, done.kind === 'copy' ? done.receipt : undefined, done.kind === 'copy' ? done.readRows : undefined)
  ledger.saveFacts(step.resource, facts)
}

function addChunks(ledger: Ledger, resource: number, facts: ResourceFacts, chunks: Chunk[], allPlanned: boolean): void {
  for (const chunk of chunks) ledger.addStep(resource, 'copy', chunk)
  facts.openCopies += chunks.length
  facts.chunksTotal += chunks.length
  facts.lastChunk = chunks.at(-1) ?? facts.lastChunk
  facts.allPlanned = allPlanned
}

function bookCopy(facts: ResourceFacts, step: StepRow, done: Done & { kind: 'copy' }): void {
  facts.openCopies -= 1
  facts.chunksDone += 1
  facts.bytes += done.bytes
  facts.deliveredRows += done.receipt.rows
  facts.readRows = facts.readRows === undefined || done.readRows === undefined ? undefined : facts.readRows + done.readRows
  if (step.generation > 0 && !facts.generations.includes(step.generation)) facts.generations = [...facts.generations, step.generation]
  if (done.checksum) {
    const before = facts.checksum ?? { source: '0', destination: '0' }
    facts.checksum = {
      source: addChecksums(before.source, done.checksum.source),
      destination: addChecksums(before.destination, done.checksum.destination),
      fields: done.checksum.fields,
    }
  }
}

function bookCommit(ledger: Ledger, resource: number, facts: ResourceFacts, done: Done & { kind: 'commit' }, nowMs: number): void {
  facts.commit = done.result
  facts.endedAtMs = nowMs
  const { foundRows, foldedRows } = done.result
  if (foundRows + foldedRows === facts.deliveredRows) {
    facts.phase = 'done'
    return
  }
  facts.phase = 'failed'
  facts.fault = {
    tag: 'mismatch',
    message: `${facts.deliveredRows} rows were delivered but ${foundRows} were found and ${foldedRows} folded after the commit`,
    place: { side: 'destination', resource: ledger.documents(resource).table },
    remedy: 'Compare the table with its source; somebody else may write into it while loads are published.',
  }
}

/** Stores what is done about a step that failed. */
export function bookFault(ledger: Ledger, run: Run, step: StepRow, cause: Fault, nowMs: number, random: number): void {
  const fault = placed(cause, ledger.documents(step.resource).command)
  const facts = { ...ledger.facts(step.resource) }
  const attempt = step.failures + 1
  const verdict =
    facts.fault && step.kind !== 'abort'
      ? { do: 'fail' as const }
      : judge(fault, step.kind, attempt, random, cutsAreGuessed(ledger, step.resource, facts))
  const heal = (rule: HealingAction['rule'], before: HealingAction['before'], after: HealingAction['after']) =>
    ledger.addHealing({ rule, cause: fault, before, after, attempt, atMs: nowMs }, HEALING_ACTIONS_MAX)
  switch (verdict.do) {
    case 'retry': {
      ledger.giveBack(step.id, nowMs + verdict.afterMs)
      const place = { stream: ledger.documents(step.resource).command.stream, step: step.kind, chunk: step.chunk?.id ?? null }
      if (verdict.rule !== 'lower-parallelism') {
        heal(verdict.rule, place, { ...place, afterMs: verdict.afterMs })
        return
      }
      const parallelism = Math.max(1, Math.floor(run.parallelism / 2))
      ledger.saveRun({ ...run, parallelism })
      heal(verdict.rule, { ...place, parallelism: run.parallelism }, { ...place, parallelism, afterMs: verdict.afterMs })
      return
    }
    case 'replan-whole': {
      ledger.finish(step.id, nowMs)
      if (facts.phase !== 'replanning') {
        ledger.saveFacts(step.resource, { ...facts, phase: 'replanning', wholeStream: true })
        heal('replan-whole', { chunks: facts.chunksTotal }, { chunks: 1 })
      }
      return
    }
    case 'fail':
      ledger.finish(step.id, nowMs)
      if (step.kind === 'abort') {
        // The load failed before; that its stages could not be removed is said, but does not hide why it failed.
        ledger.saveFacts(step.resource, { ...facts, phase: 'failed', endedAtMs: nowMs })
        heal('retry', 'staging could not be removed', 'given up')
      } else if (!facts.fault) {
        ledger.saveFacts(step.resource, { ...facts, fault })
      }
  }
}

/** Where a CSV record ends is known for certain only by who read the file from its beginning. */
function cutsAreGuessed(ledger: Ledger, resource: number, facts: ResourceFacts): boolean {
  const from = ledger.documents(resource).lane?.from
  return from?.via === 'bytes' && from.format.encoding === 'csv' && !facts.wholeStream && facts.chunksTotal > 1
}

/** After a step of `resource` was settled: gives it its next step, and others too when they waited for this one. */
export function reconcileAfter(ledger: Ledger, run: Run, step: StepRow, nowMs: number): void {
  if (step.kind === 'plan' && cursorsKnown(ledger, run)) reconcileAll(ledger, run, nowMs)
  else reconcile(ledger, run, step.resource, nowMs)
}

export function reconcileAll(ledger: Ledger, run: Run, nowMs: number): void {
  for (let resource = 0; resource < run.resources.length; resource++) reconcile(ledger, run, resource, nowMs)
}

function cursorsKnown(ledger: Ledger, run: Run): boolean {
  return !ledger.openPlans().some((resource) => run.resources[resource]?.cursor !== undefined)
}

/** A fault of a connection knows its address alone; which table it stopped is known here. */
function placed(fault: Fault, command: ResourceCommand): Fault {
  if (!('place' in fault) || fault.place.resource !== undefined) return fault
  const resource = fault.place.side === 'destination' ? (command.table ?? command.stream) : command.stream
  return { ...fault, place: { ...fault.place, resource } }
}

/** Gives a resource the step it needs next, if any. */
function reconcile(ledger: Ledger, run: Run, resource: number, nowMs: number): void {
  const facts = ledger.facts(resource)
  const leased = ledger.leased().filter((step) => step.resource === resource).length
  const planned = ledger.isPlanned(resource)
  const action = advance({ ...facts, planned, cursorsKnown: facts.phase !== 'planned' || cursorsKnown(ledger, run), leased })
  switch (action.do) {
    case 'nothing':
      return
    case 'withdraw':
      ledger.withdraw(resource)
      return
    case 'end':
      ledger.forget(resource)
      ledger.saveFacts(resource, { ...facts, phase: action.phase, endedAtMs: nowMs })
      return
    case 'step': {
      if (facts.phase === 'replanning' || action.kind === 'abort') ledger.forget(resource)
      ledger.addStep(resource, action.kind)
      const restarted = facts.phase === 'replanning' ? { ...facts, ...NO_PROGRESS } : facts
      ledger.saveFacts(resource, {
        ...restarted,
        phase: action.phase,
        planningMore: action.kind === 'window',
        startedAtMs: facts.startedAtMs ?? nowMs,
      })
    }
  }
}

/** How often a step may lose its worker before that is taken for the step's own fault (it may kill the isolate). */
const LOST_WORKERS_MAX = 20

/** Takes back the steps whose worker has not reported in time. */
export function expireLeases(ledger: Ledger, nowMs: number): StepRow[] {
  const expired = ledger.leased().filter((step) => step.leaseUntilMs <= nowMs)
  for (const step of expired) {
    const facts = ledger.facts(step.resource)
    const cause: Fault = { tag: 'internal', message: 'the worker stopped reporting' }
    if (facts.fault && step.kind !== 'abort') {
      ledger.finish(step.id, nowMs)
    } else if (step.failures >= LOST_WORKERS_MAX) {
      ledger.finish(step.id, nowMs)
      ledger.saveFacts(step.resource, { ...facts, fault: facts.fault ?? cause, phase: step.kind === 'abort' ? 'failed' : facts.phase })
    } else {
      ledger.giveBack(step.id, nowMs)
      const place = { stream: ledger.documents(step.resource).command.stream, step: step.kind, chunk: step.chunk?.id ?? null }
      const attempt = step.failures + 1
      ledger.addHealing(
        {
          rule: 'hand-over-lease',
          cause,
          before: { ...place, lease: step.lease },
          after: { ...place, lease: step.lease + 1 },
          attempt,
          atMs: nowMs,
        },
        HEALING_ACTIONS_MAX,
      )
    }
  }
  return expired
}

/** Stops every resource that has not been published and is not being published right now. */
export function requestCancel(ledger: Ledger, run: Run): void {
  ledger.saveRun({ ...run, cancelRequested: true })
  for (let resource = 0; resource < run.resources.length; resource++) {
    const facts = ledger.facts(resource)
    const ended = facts.phase === 'done' || facts.phase === 'failed' || facts.phase === 'cleaning'
    if (!ended && !facts.fault && !commitStarted(ledger, resource, facts))
      ledger.saveFacts(resource, { ...facts, fault: { tag: 'cancelled' } })
  }
}

function commitStarted(ledger: Ledger, resource: number, facts: ResourceFacts): boolean {
  return facts.phase === 'committing' && ledger.openStep(resource, 'commit')?.lease !== 0
}
