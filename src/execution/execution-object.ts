import { DurableObject } from 'cloudflare:workers'
import type { Json, Receipt } from '../core/chunk.ts'
import { faultOf } from '../core/errors.ts'
import type { ChunkView, ExecutionView } from '../core/execution.ts'
import { type Env, readSettings, type Settings } from '../env.ts'
import {
  ENDED_OBJECT_KEPT_MS,
  EXECUTIONS_PER_SOURCE,
  HANDS_PER_WORKER,
  LEASE_TTL_MS,
  SNAPSHOT_KEEPALIVE_MS,
  STEPS_PER_EXECUTION,
  TASK_LOST_AFTER_MS,
} from '../limits.ts'
import type { LoadCommand } from '../operations/operations.ts'
import { log } from '../platform/log.ts'
import { secretBox } from '../platform/secrets.ts'
import { cursorKey, endExecution, markRunning } from '../store/executions.ts'
import { book, bookFault, expireLeases, reconcileAfter, reconcileAll, requestCancel } from './bookkeeping.ts'
import { gate } from './gate-object.ts'
import type { Admission, Assignment, ExecutionHandle, Outcome, Start, Work } from './handle.ts'
import { Ledger, type Run, type StepRow } from './ledger.ts'
import { hasEnded, workersWanted } from './machine.ts'
import { openCommand } from './sealed-command.ts'
import { SnapshotKeeper } from './snapshot-keeper.ts'
import { viewOf } from './view.ts'

/** An execution's place at its pipeline and at its source is asked for again within this time. */
const ADMISSION_TTL_MS = 60_000
const ADMISSION_WAIT_MS = 5_000

/**
 * One execution. The ledger is its truth and every method may be called again after a crash; memory holds only what may
 * be lost: bytes under way, who waits for the end, and the snapshot's connection.
 */
export class ExecutionObject extends DurableObject<Env> implements ExecutionHandle {
  private readonly ledger: Ledger
  private readonly settings: Settings
  private readonly leaseTtlMs: number
  private readonly snapshots: SnapshotKeeper
  private readonly underWay = new Map<number, { resource: number; bytes: number }>()
  private readonly ended = new Set<() => void>()
  private nextKeepAliveMs = 0
  private nextAdmissionMs = 0

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.ledger = new Ledger(ctx.storage.sql)
    this.settings = readSettings(env)
    this.leaseTtlMs = this.settings.LEASE_TTL_MS ?? LEASE_TTL_MS
    this.snapshots = new SnapshotKeeper(this.settings.PRIVATE_ADDRESSES, this.settings.IDLE_TIMEOUT_MS)
  }

  async start(start: Start): Promise<void> {
    if (this.ledger.run()) return
    this.ctx.storage.transactionSync(() => {
      this.ledger.saveRun({ ...start, cancelRequested: false, parallelism: STEPS_PER_EXECUTION, generation: 0 })
      for (const [index, command] of start.resources.entries()) this.ledger.saveCommand(index, command, command.table ?? command.stream)
    })
    await this.ctx.storage.setAlarm(Date.now() + this.leaseTtlMs)
    await this.turn()
  }

  async poke(): Promise<void> {
    if (this.ledger.run()?.endedAtMs === undefined) await this.turn()
  }

  override async alarm(): Promise<void> {
    const run = this.ledger.run()
    if (!run || (run.endedAtMs !== undefined && Date.now() > run.endedAtMs + ENDED_OBJECT_KEPT_MS)) {
      await this.ctx.storage.deleteAll()
      return
    }
    if (run.endedAtMs === undefined) await this.turn(ADMISSION_WAIT_MS)
  }

  async enter(slot: number): Promise<Admission | null> {
    const run = this.ledger.run()
    if (run?.startedAtMs === undefined || run.endedAtMs !== undefined) return null
    this.ledger.saveSlot(slot, 'working', Date.now(), 0)
    return { workspaceId: run.workspaceId, pipeline: run.pipeline, sealedCommand: run.sealedCommand }
  }

  async claim(slot: number): Promise<Assignment | null> {
    const run = this.ledger.run()
    const nowMs = Date.now()
    const leased = this.ledger.leased().length
    const step = run && run.endedAtMs === undefined && leased < run.parallelism ? this.ledger.nextReady(nowMs) : undefined
    if (step) this.ledger.saveSlot(slot, 'working', nowMs, 0)
    if (!run || !step) return null
    const lease = this.ledger.lend(step.id, nowMs + this.leaseTtlMs, nowMs)
    try {
      const work = await this.workOf(run, step)
      const { command } = this.ledger.documents(step.resource)
      return { stepId: step.id, lease, resource: step.resource, command, startedAtMs: run.startedAtMs ?? nowMs, work }
    } catch (error) {
      await this.settle(step.id, lease, { ok: false, fault: faultOf(error) })
      return null
    }
  }

  private async workOf(run: Run, step: StepRow): Promise<Work> {
    const { description, targetPlan, lane, prepared } = this.ledger.documents(step.resource)
    const facts = this.ledger.facts(step.resource)
    const missing = () => new Error(`step ${step.kind} of resource ${step.resource} came before its time`)
    switch (step.kind) {
      case 'plan':
        return { kind: 'plan' }
      case 'prepare':
        if (!description || !targetPlan) throw missing()
        return { kind: 'prepare', description, targetPlan, wholeStream: facts.wholeStream }
      case 'window':
        if (!description || !facts.lastChunk) throw missing()
        return { kind: 'window', description, after: facts.lastChunk, wholeStream: facts.wholeStream }
      case 'copy': {
        if (!description || !lane || !step.chunk || prepared === undefined) throw missing()
        const snapshot = await this.snapshotFor(run, step)
        return { kind: 'copy', description, prepared, lane, chunk: step.chunk, ...(snapshot !== null && { snapshot }) }
      }
      case 'commit':
        if (prepared === undefined) throw missing()
        return {
          kind: 'commit',
          prepared,
          commitKey: `${run.destination.system}:${run.destination.address}:${targetPlan?.target.dataset ?? ''}:${targetPlan?.target.table}`,
        }
      case 'abort':
        if (!targetPlan) throw missing()
        return { kind: 'abort', targetPlan, prepared: prepared ?? null }
    }
  }

  /** One chunk alone needs no shared view: a single statement has its own. */
  private async snapshotFor(run: Run, step: StepRow): Promise<Json | null> {
    const facts = this.ledger.facts(step.resource)
    if (run.resources.length === 1 && facts.allPlanned && facts.chunksTotal === 1 && run.verify === 'rows') return null
    const held = await this.snapshots.token(
      async () => (await this.command(run)).sourceUri,
      () => {
        const now = this.ledger.run() ?? run
        this.ledger.saveRun({ ...now, generation: now.generation + 1 })
        return now.generation + 1
      },
    )
    this.nextKeepAliveMs ||= Date.now() + SNAPSHOT_KEEPALIVE_MS
    if (held) this.ledger.setGeneration(step.id, held.generation)
    return held?.token ?? null
  }

  private async command(run: Run): Promise<LoadCommand> {
    return await openCommand(secretBox(this.settings.MASTER_KEYS), run.sealedCommand, run.executionId)
  }

  async renew(stepId: number, lease: number, bytes: number): Promise<'go-on' | 'stop'> {
    const step = this.ledger.step(stepId)
    if (step?.state !== 'leased' || step.lease !== lease) return 'stop'
    this.underWay.set(stepId, { resource: step.resource, bytes })
    this.ledger.extend(stepId, Date.now() + this.leaseTtlMs)
    return this.ledger.facts(step.resource).fault && step.kind !== 'abort' ? 'stop' : 'go-on'
  }

  async settle(stepId: number, lease: number, outcome: Outcome): Promise<void> {
    const step = this.ledger.step(stepId)
    const run = this.ledger.run()
    if (!run || step?.state !== 'leased' || step.lease !== lease) return
    this.underWay.delete(stepId)
    this.ctx.storage.transactionSync(() => {
      if (outcome.ok) book(this.ledger, step, outcome.done, Date.now())
      else bookFault(this.ledger, run, step, outcome.fault, Date.now(), Math.random())
      reconcileAfter(this.ledger, run, step, Date.now())
    })
    if (!outcome.ok) {
      log('step failed', {
        executionId: run.executionId,
        step: step.kind,
        attempt: step.failures + 1,
        fault: outcome.fault as unknown as Json,
      })
      if (outcome.fault.tag === 'snapshot-lost') await this.snapshots.letGo(step.generation)
    }
    await this.dispatch()
  }

  async leave(slot: number): Promise<void> {
    this.ledger.saveSlot(slot, 'idle', Date.now(), 0)
    await this.dispatch()
  }

  async receipts(resource: number, afterStepId: number, limit: number): Promise<{ stepId: number; receipt: Receipt }[]> {
    return this.ledger.receipts(resource, afterStepId, limit)
  }

  async loadJournal(resource: number): Promise<Json | null> {
    return this.ledger.journal(resource)
  }

  async saveJournal(stepId: number, lease: number, entry: Json): Promise<boolean> {
    const saved = this.ledger.saveJournal(stepId, lease, entry)
    await this.ctx.storage.sync()
    return saved
  }

  async view(): Promise<ExecutionView | null> {
    const run = this.ledger.run()
    if (!run) return null
    const bytes = new Map<number, number>()
    for (const step of this.underWay.values()) bytes.set(step.resource, (bytes.get(step.resource) ?? 0) + step.bytes)
    return viewOf(this.ledger, run, bytes, Date.now())
  }

  async wait(timeoutMs: number): Promise<ExecutionView | null> {
    if (this.ledger.run()?.endedAtMs === undefined) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer)
          this.ended.delete(done)
          resolve()
        }
        const timer = setTimeout(done, timeoutMs)
        this.ended.add(done)
      })
    }
    return await this.view()
  }

  async cancel(): Promise<ExecutionView | null> {
    const run = this.ledger.run()
    if (run && run.endedAtMs === undefined && !run.cancelRequested) {
      this.ctx.storage.transactionSync(() => requestCancel(this.ledger, run))
      await this.turn()
    }
    return await this.view()
  }

  async chunks(afterStepId: number, limit: number): Promise<{ chunks: ChunkView[]; next: number | null }> {
    const run = this.ledger.run()
    const steps = this.ledger.copySteps(afterStepId, limit)
    const chunks = steps.map((step) => ({
      id: step.chunk?.id ?? '',
      stream: run?.resources[step.resource]?.stream ?? '',
      attempts: step.failures + (step.startedAtMs ? 1 : 0),
      readRows: step.readRows,
      deliveredRows: step.receipt?.rows,
      bytes: step.receipt?.bytes,
      checksum: step.receipt?.checksum,
      durationMs: step.doneAtMs ? step.doneAtMs - step.startedAtMs : undefined,
    }))
    return { chunks, next: steps.length === limit ? (steps.at(-1)?.id ?? null) : null }
  }

  /** Brings everything forward that stored state alone can bring forward. Called by alarms and after every outside change. */
  private async turn(admissionWaitMs = 0): Promise<void> {
    const run = this.ledger.run()
    if (!run || run.endedAtMs !== undefined) return
    if (run.startedAtMs === undefined && !run.cancelRequested && !(await this.admit(run, admissionWaitMs))) {
      if (this.ledger.run()?.endedAtMs === undefined) await this.alarmBy(Date.now() + 50)
      return
    }
    const nowMs = Date.now()
    this.ctx.storage.transactionSync(() => {
      for (const step of expireLeases(this.ledger, nowMs)) this.underWay.delete(step.id)
      reconcileAll(this.ledger, run, nowMs)
    })
    if (nowMs >= this.nextAdmissionMs) await this.renewAdmission(run)
    if (this.snapshots.isHeld && nowMs >= this.nextKeepAliveMs) {
      this.nextKeepAliveMs = nowMs + SNAPSHOT_KEEPALIVE_MS
      await this.snapshots.keepAlive()
    }
    await this.dispatch()
  }

  /** Waits for the run's turn: one run of a pipeline at a time, so many runs on one source. */
  private async admit(run: Run, waitMs: number): Promise<boolean> {
    for (const { name, capacity } of this.admissionGates(run)) {
      const fence = await gate(this.env, name).acquire(run.executionId, capacity, ADMISSION_TTL_MS, waitMs)
      if (fence === null) return false
    }
    const now = this.ledger.run() ?? run
    if (now.endedAtMs !== undefined) {
      // It was cancelled while it waited.
      await this.releaseAdmission(run)
      return false
    }
    this.nextAdmissionMs = Date.now() + ADMISSION_TTL_MS / 3
    if (now.startedAtMs === undefined) this.ledger.saveRun({ ...now, startedAtMs: Date.now() })
    await markRunning(this.env.DB, run.executionId)
    return true
  }

  private async releaseAdmission(run: Run): Promise<void> {
    for (const { name } of this.admissionGates(run)) await gate(this.env, name).release(run.executionId)
  }

  private async renewAdmission(run: Run): Promise<void> {
    if (run.startedAtMs === undefined) return
    this.nextAdmissionMs = Date.now() + ADMISSION_TTL_MS / 3
    for (const { name, capacity } of this.admissionGates(run))
      await gate(this.env, name).acquire(run.executionId, capacity, ADMISSION_TTL_MS, 0)
  }

  private admissionGates(run: Run): { name: string; capacity: number }[] {
    return [
      { name: `pipeline ${run.workspaceId} ${run.pipeline}`, capacity: 1 },
      { name: `executions ${run.source.system} ${run.source.address}`, capacity: EXECUTIONS_PER_SOURCE },
    ]
  }

  /** Asks the queue for workers, ends the run when nothing is left, and sets the next alarm. */
  private async dispatch(): Promise<void> {
    const run = this.ledger.run()
    if (!run || run.endedAtMs !== undefined) return
    if (run.resources.every((_, index) => hasEnded(this.ledger.facts(index).phase))) {
      await this.end(run)
      return
    }
    const nowMs = Date.now()
    const slots = this.ledger.slots()
    const lostAfterMs = (sends: number) => Math.min(TASK_LOST_AFTER_MS, this.leaseTtlMs) * 2 ** Math.max(0, sends - 1)
    const isBusy = (slot: (typeof slots)[number]) =>
      (slot.state === 'sent' && slot.atMs + lostAfterMs(slot.sends) > nowMs) ||
      (slot.state === 'working' && slot.atMs + this.leaseTtlMs > nowMs)
    const busy = new Set(slots.filter(isBusy).map((slot) => slot.slot))
    let wanted = workersWanted({
      parallelism: run.parallelism,
      leased: this.ledger.leased().length,
      claimable: this.ledger.claimable(nowMs, run.parallelism),
      busyWorkers: busy.size,
      handsPerWorker: HANDS_PER_WORKER,
    })
    for (let slot = 0; slot < run.parallelism && wanted > 0; slot++) {
      if (busy.has(slot)) continue
      wanted--
      this.ledger.saveSlot(slot, 'sent', nowMs, (slots.find((known) => known.slot === slot)?.sends ?? 0) + 1)
      await this.env.TASKS.send({ executionId: run.executionId, slot })
    }
    await this.alarmBy(
      Math.min(this.ledger.nextRetryMs(nowMs) ?? Number.POSITIVE_INFINITY, nowMs + Math.min(this.leaseTtlMs, TASK_LOST_AFTER_MS) / 2),
    )
  }

  /** Sets the alarm unless an earlier one is set; never in the past, so that alarms cannot spin. */
  private async alarmBy(atMs: number): Promise<void> {
    const at = Math.max(atMs, Date.now() + 20)
    const current = await this.ctx.storage.getAlarm()
    if (current === null || current > at || current < Date.now()) await this.ctx.storage.setAlarm(at)
  }

  /** Every part may run again: the D1 write is repeatable, and only after it is the run over here. */
  private async end(run: Run): Promise<void> {
    const endedAtMs = Date.now()
    const view = viewOf(this.ledger, { ...run, endedAtMs }, new Map(), endedAtMs)
    const earned = run.resources.flatMap((command, index) => {
      const value = this.ledger.documents(index).description?.nextCursor
      const loaded = this.ledger.facts(index).phase === 'done'
      return loaded && command.cursor?.keepsState && value !== undefined
        ? [{ key: cursorKey(run.workspaceId, run.pipeline, command), value }]
        : []
    })
    try {
      await endExecution(this.env.DB, view, earned)
      await this.releaseAdmission(run)
    } catch (error) {
      log('the end of an execution could not be stored yet', { executionId: run.executionId, fault: faultOf(error) as unknown as Json })
      await this.ctx.storage.setAlarm(Date.now() + 1_000)
      return
    }
    this.ledger.saveRun({ ...(this.ledger.run() ?? run), endedAtMs, sealedCommand: '' })
    log('execution ended', { executionId: run.executionId, status: view.status, fault: (view.fault as unknown as Json) ?? null })
    await this.ctx.storage.setAlarm(endedAtMs + ENDED_OBJECT_KEPT_MS + 1)
    await this.snapshots.letGo()
    for (const done of this.ended) done()
  }
}
