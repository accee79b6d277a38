import type { Chunk, CommitResult, Json, Receipt, StreamDescription, TargetPlan } from '../core/chunk.ts'
import type { Fault } from '../core/errors.ts'
import type { HealingAction } from '../core/execution.ts'
import type { ResourceCommand } from '../operations/operations.ts'
import type { LaneChoice } from '../transfer/choose-lane.ts'
import type { StepKind } from '../transfer/retry.ts'
import type { Start } from './handle.ts'
import type { Phase } from './machine.ts'

/** The part of a Durable Object's SQLite that the ledger uses; tests give it node:sqlite. */
export interface Sql {
  exec(query: string, ...bindings: (string | number | null)[]): Iterable<Record<string, unknown>>
}

/** What is kept of the run itself. */
export interface Run extends Start {
  /** Set once the run may work: its turn among the runs of its pipeline and of its source has come. */
  startedAtMs?: number
  endedAtMs?: number
  cancelRequested: boolean
  /** Steps lent out at once; lowered when an end says it is too much. */
  parallelism: number
  /** Which snapshot of the source is or was the last in use; 0 before the first. */
  generation: number
}

/** Counters and facts of a resource; rewritten with every settled step, so it stays small. */
export interface ResourceFacts {
  phase: Phase
  fault?: Fault
  wholeStream: boolean
  allPlanned: boolean
  planningMore: boolean
  openCopies: number
  chunksDone: number
  chunksTotal: number
  lastChunk?: Chunk
  bytes: number
  /** Absent as soon as one chunk could not be counted. */
  readRows?: number
  deliveredRows: number
  checksum?: { source: string; destination: string; fields: string[] }
  generations: number[]
  commit?: CommitResult
  startedAtMs?: number
  copyStartedAtMs?: number
  copiedAtMs?: number
  endedAtMs?: number
}

/** What is known of a resource and seldom changes. */
export interface ResourceDocuments {
  command: ResourceCommand
  table: string
  description?: StreamDescription
  targetPlan?: TargetPlan
  lane?: LaneChoice
  prepared?: Json
}

export interface StepRow {
  id: number
  resource: number
  kind: StepKind
  chunk: Chunk | undefined
  state: 'ready' | 'leased' | 'done'
  failures: number
  lease: number
  leaseUntilMs: number
  startedAtMs: number
  generation: number
}

const PRIORITY: Record<StepKind, number> = { abort: 0, commit: 1, plan: 2, prepare: 2, window: 2, copy: 3 }

/** Nothing planned and nothing copied: what a resource begins with, and goes back to when it is planned anew. */
export const NO_PROGRESS = {
  allPlanned: false,
  planningMore: false,
  openCopies: 0,
  chunksDone: 0,
  chunksTotal: 0,
  lastChunk: undefined,
  bytes: 0,
  readRows: 0,
  deliveredRows: 0,
  checksum: undefined,
  generations: [],
} satisfies Partial<ResourceFacts>

export const NEW_FACTS: ResourceFacts = { phase: 'pending', wholeStream: false, ...NO_PROGRESS }

/** The durable truth of one execution: its resources and their steps. Each method is one statement or one small transaction. */
export class Ledger {
  private readonly sql: Sql

  constructor(sql: Sql) {
    this.sql = sql
    this.sql.exec(`CREATE TABLE IF NOT EXISTS documents (name TEXT PRIMARY KEY, body TEXT NOT NULL)`)
    this.sql.exec(`CREATE TABLE IF NOT EXISTS steps (
      id INTEGER PRIMARY KEY AUTOINCREMENT, resource INTEGER NOT NULL, kind TEXT NOT NULL, priority INTEGER NOT NULL, chunk TEXT,
      state TEXT NOT NULL, failures INTEGER NOT NULL DEFAULT 0, not_before_ms INTEGER NOT NULL DEFAULT 0,
      lease INTEGER NOT NULL DEFAULT 0, lease_until_ms INTEGER NOT NULL DEFAULT 0, started_at_ms INTEGER NOT NULL DEFAULT 0,
      done_at_ms INTEGER NOT NULL DEFAULT 0, generation INTEGER NOT NULL DEFAULT 0, receipt TEXT, read_rows INTEGER)`)
    this.sql.exec(`CREATE INDEX IF NOT EXISTS steps_ready ON steps (state, priority, id)`)
    this.sql.exec(`CREATE INDEX IF NOT EXISTS steps_of_resource ON steps (resource, state, id)`)
    this.sql.exec(
      `CREATE TABLE IF NOT EXISTS slots (slot INTEGER PRIMARY KEY, state TEXT NOT NULL, at_ms INTEGER NOT NULL, sends INTEGER NOT NULL)`,
    )
    this.sql.exec(`CREATE TABLE IF NOT EXISTS healing (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)`)
  }

  run(): Run | undefined {
    return this.read<Run>('run')
  }

  saveRun(run: Run): void {
    this.write('run', run)
  }

  facts(resource: number): ResourceFacts {
    return this.read<ResourceFacts>(`facts ${resource}`) ?? NEW_FACTS
  }

  saveFacts(resource: number, facts: ResourceFacts): void {
    this.write(`facts ${resource}`, facts)
  }

  documents(resource: number): ResourceDocuments {
    const command = this.read<{ command: ResourceCommand; table: string }>(`command ${resource}`)
    if (!command) throw new Error(`resource ${resource} is not in the ledger`)
    const planned = this.read<{ description: StreamDescription; targetPlan: TargetPlan; lane: LaneChoice }>(`planned ${resource}`)
    const prepared = this.read<{ prepared: Json }>(`prepared ${resource}`)
    return { ...command, ...planned, ...prepared }
  }

  saveCommand(resource: number, command: ResourceCommand, table: string): void {
    this.write(`command ${resource}`, { command, table })
  }

  savePlanned(resource: number, planned: { description: StreamDescription; targetPlan: TargetPlan; lane: LaneChoice }): void {
    this.write(`planned ${resource}`, planned)
    const { command } = this.documents(resource)
    this.saveCommand(resource, command, planned.targetPlan.target.table)
  }

  isPlanned(resource: number): boolean {
    return this.number(`SELECT count(*) AS n FROM documents WHERE name = ?`, `planned ${resource}`) > 0
  }

  savePrepared(resource: number, prepared: Json): void {
    this.write(`prepared ${resource}`, { prepared })
  }

  journal(resource: number): Json | null {
    return this.read<{ entry: Json }>(`journal ${resource}`)?.entry ?? null
  }

  /** False, and nothing is saved, when this lease of the step is not the one that holds now. */
  saveJournal(stepId: number, lease: number, entry: Json): boolean {
    const step = this.step(stepId)
    if (step?.state !== 'leased' || step.lease !== lease) return false
    this.write(`journal ${step.resource}`, { entry })
    return true
  }

  addStep(resource: number, kind: StepKind, chunk?: Chunk): void {
    this.sql.exec(
      `INSERT INTO steps (resource, kind, priority, chunk, state) VALUES (?, ?, ?, ?, 'ready')`,
      resource,
      kind,
      PRIORITY[kind],
      chunk ? JSON.stringify(chunk) : null,
    )
  }

  step(id: number): StepRow | undefined {
    return this.steps(`SELECT * FROM steps WHERE id = ?`, id)[0]
  }

  /** The most urgent step that may run now. Resources take turns by the order of their steps. */
  nextReady(nowMs: number): StepRow | undefined {
    return this.steps(`SELECT * FROM steps WHERE state = 'ready' AND not_before_ms <= ? ORDER BY priority, id LIMIT 1`, nowMs)[0]
  }

  lend(id: number, leaseUntilMs: number, nowMs: number): number {
    this.sql.exec(
      `UPDATE steps SET state = 'leased', lease = lease + 1, lease_until_ms = ?, started_at_ms = ? WHERE id = ?`,
      leaseUntilMs,
      nowMs,
      id,
    )
    return this.step(id)?.lease ?? 0
  }

  extend(id: number, leaseUntilMs: number): void {
    this.sql.exec(`UPDATE steps SET lease_until_ms = ? WHERE id = ?`, leaseUntilMs, id)
  }

  setGeneration(id: number, generation: number): void {
    this.sql.exec(`UPDATE steps SET generation = ? WHERE id = ?`, generation, id)
  }

  /** Back to ready after a failure; the lease number moves on, so a late answer is refused. */
  giveBack(id: number, notBeforeMs: number): void {
    this.sql.exec(
      `UPDATE steps SET state = 'ready', failures = failures + 1, lease = lease + 1, not_before_ms = ? WHERE id = ?`,
      notBeforeMs,
      id,
    )
  }

  finish(id: number, nowMs: number, receipt?: Receipt, readRows?: number): void {
    this.sql.exec(
      `UPDATE steps SET state = 'done', done_at_ms = ?, receipt = ?, read_rows = ? WHERE id = ?`,
      nowMs,
      receipt ? JSON.stringify(receipt) : null,
      readRows ?? null,
      id,
    )
  }

  /** Takes back what nobody works on. */
  withdraw(resource: number): void {
    this.sql.exec(`DELETE FROM steps WHERE resource = ? AND state = 'ready'`, resource)
  }

  /** Forgets every step of a resource, receipts included. */
  forget(resource: number): void {
    this.sql.exec(`DELETE FROM steps WHERE resource = ?`, resource)
  }

  /** The step of this kind that waits or runs. */
  openStep(resource: number, kind: StepKind): StepRow | undefined {
    return this.steps(`SELECT * FROM steps WHERE resource = ? AND kind = ? AND state <> 'done' LIMIT 1`, resource, kind)[0]
  }

  /** Resources that are still being described. */
  openPlans(): number[] {
    const rows = this.sql.exec(
      `SELECT resource FROM steps WHERE state IN ('ready', 'leased') AND priority = ? AND kind = 'plan'`,
      PRIORITY.plan,
    )
    return [...rows].map((row) => Number(row.resource))
  }

  leased(): StepRow[] {
    return this.steps(`SELECT * FROM steps WHERE state = 'leased'`)
  }

  claimable(nowMs: number, atMost: number): number {
    return this.number(
      `SELECT count(*) AS n FROM (SELECT 1 FROM steps WHERE state = 'ready' AND not_before_ms <= ? LIMIT ?)`,
      nowMs,
      atMost,
    )
  }

  /** Steps that wait out a failure. */
  healing(nowMs: number): boolean {
    return this.number(`SELECT count(*) AS n FROM steps WHERE state = 'ready' AND not_before_ms > ?`, nowMs) > 0
  }

  /** When the next step that waits out a failure may run. */
  nextRetryMs(nowMs: number): number | undefined {
    const row = [...this.sql.exec(`SELECT min(not_before_ms) AS n FROM steps WHERE state = 'ready' AND not_before_ms > ?`, nowMs)][0]
    return typeof row?.n === 'number' ? row.n : undefined
  }

  receipts(resource: number, afterStepId: number, limit: number): { stepId: number; receipt: Receipt }[] {
    const rows = this.sql.exec(
      `SELECT id, receipt FROM steps WHERE resource = ? AND state = 'done' AND id > ? AND kind = 'copy' ORDER BY id LIMIT ?`,
      resource,
      afterStepId,
      limit,
    )
    return [...rows].map((row) => ({ stepId: Number(row.id), receipt: JSON.parse(String(row.receipt)) as Receipt }))
  }

  copySteps(afterStepId: number, limit: number): (StepRow & { receipt?: Receipt; readRows?: number; doneAtMs: number })[] {
    const rows = [...this.sql.exec(`SELECT * FROM steps WHERE kind = 'copy' AND id > ? ORDER BY id LIMIT ?`, afterStepId, limit)]
    return rows.map((row) => ({
      ...toStep(row),
      receipt: row.receipt ? (JSON.parse(String(row.receipt)) as Receipt) : undefined,
      readRows: row.read_rows === null ? undefined : Number(row.read_rows),
      doneAtMs: Number(row.done_at_ms),
    }))
  }

  slots(): { slot: number; state: 'idle' | 'sent' | 'working'; atMs: number; sends: number }[] {
    return [...this.sql.exec(`SELECT * FROM slots ORDER BY slot`)].map((row) => ({
      slot: Number(row.slot),
      state: row.state as 'idle' | 'sent' | 'working',
      atMs: Number(row.at_ms),
      sends: Number(row.sends),
    }))
  }

  saveSlot(slot: number, state: 'idle' | 'sent' | 'working', atMs: number, sends: number): void {
    this.sql.exec(`INSERT OR REPLACE INTO slots (slot, state, at_ms, sends) VALUES (?, ?, ?, ?)`, slot, state, atMs, sends)
  }

  addHealing(action: HealingAction, atMost: number): void {
    if (this.number(`SELECT count(*) AS n FROM healing`) < atMost)
      this.sql.exec(`INSERT INTO healing (body) VALUES (?)`, JSON.stringify(action))
  }

  healingActions(): HealingAction[] {
    return [...this.sql.exec(`SELECT body FROM healing ORDER BY id`)].map((row) => JSON.parse(String(row.body)) as HealingAction)
  }

  private read<T>(name: string): T | undefined {
    const row = [...this.sql.exec(`SELECT body FROM documents WHERE name = ?`, name)][0]
    return row ? (JSON.parse(String(row.body)) as T) : undefined
  }

  private write(name: string, body: unknown): void {
    this.sql.exec(`INSERT OR REPLACE INTO documents (name, body) VALUES (?, ?)`, name, JSON.stringify(body))
  }

  private steps(query: string, ...bindings: (string | number | null)[]): StepRow[] {
    return [...this.sql.exec(query, ...bindings)].map(toStep)
  }

  private number(query: string, ...bindings: (string | number | null)[]): number {
    return Number([...this.sql.exec(query, ...bindings)][0]?.n ?? 0)
  }
}

function toStep(row: Record<string, unknown>): StepRow {
  return {
    id: Number(row.id),
    resource: Number(row.resource),
    kind: row.kind as StepKind,
    chunk: row.chunk ? (JSON.parse(String(row.chunk)) as Chunk) : undefined,
    state: row.state as StepRow['state'],
    failures: Number(row.failures),
    lease: Number(row.lease),
    leaseUntilMs: Number(row.lease_until_ms),
    startedAtMs: Number(row.started_at_ms),
    generation: Number(row.generation),
  }
}
