import { and, desc, eq, inArray, isNull, lt, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/d1'
import type { ExecutionView } from '../core/execution.ts'
import { cursors, executions } from './schema.ts'

export interface NewExecution {
  id: string
  workspaceId: string
  pipeline: string
  idempotencyKey: string | null
  commandFingerprint: string
  sealedCommand: string
  createdAtMs: number
}

export type ExecutionRow = typeof executions.$inferSelect

/** Largest view kept in D1, whose rows end at 2 MB; above it, columns and statements are left out. */
const VIEW_MAX_CHARS = 1_000_000

/** Inserts the row, unless its idempotency key is taken: then the row that has it is returned. */
export async function insertExecution(db: D1Database, row: NewExecution): Promise<{ row: ExecutionRow; created: boolean }> {
  const orm = drizzle(db)
  const inserted = await orm
    .insert(executions)
    .values({ ...row, status: 'PENDING' })
    .onConflictDoNothing()
    .returning()
  if (inserted[0]) return { row: inserted[0], created: true }
  const existing = await orm
    .select()
    .from(executions)
    .where(and(eq(executions.workspaceId, row.workspaceId), eq(executions.idempotencyKey, row.idempotencyKey ?? '')))
    .limit(1)
  if (!existing[0]) throw new Error('an execution could be neither inserted nor found')
  return { row: existing[0], created: false }
}

export async function findExecution(db: D1Database, workspaceId: string, id: string): Promise<ExecutionRow | undefined> {
  const rows = await drizzle(db)
    .select()
    .from(executions)
    .where(and(eq(executions.id, id), eq(executions.workspaceId, workspaceId)))
    .limit(1)
  return rows[0]
}

export async function findLatestExecution(db: D1Database, workspaceId: string, pipeline: string): Promise<ExecutionRow | undefined> {
  const rows = await drizzle(db)
    .select()
    .from(executions)
    .where(and(eq(executions.workspaceId, workspaceId), eq(executions.pipeline, pipeline)))
    .orderBy(desc(executions.createdAtMs), desc(executions.id))
    .limit(1)
  return rows[0]
}

export async function markRunning(db: D1Database, id: string): Promise<void> {
  await drizzle(db)
    .update(executions)
    .set({ status: 'RUNNING' })
    .where(and(eq(executions.id, id), eq(executions.status, 'PENDING')))
}

/** Runs that have not ended and were asked for before `beforeMs`, oldest first: what the sweeper looks after. */
export async function listUnended(db: D1Database, beforeMs: number, limit: number): Promise<ExecutionRow[]> {
  return await drizzle(db)
    .select()
    .from(executions)
    .where(and(inArray(executions.status, ['PENDING', 'RUNNING']), lt(executions.createdAtMs, beforeMs)))
    .orderBy(executions.createdAtMs)
    .limit(limit)
}

export interface CursorValue {
  key: ReturnType<typeof cursorKey>
  value: string
}

/** One resource's place among the cursors of its pipeline. */
export function cursorKey(
  workspaceId: string,
  pipeline: string,
  resource: { stream: string; table?: string; cursor?: { column: string } },
): { workspaceId: string; pipeline: string; stream: string; table: string; column: string } {
  return { workspaceId, pipeline, stream: resource.stream, table: resource.table ?? resource.stream, column: resource.cursor?.column ?? '' }
}

export async function findCursor(db: D1Database, key: ReturnType<typeof cursorKey>): Promise<string | undefined> {
  const rows = await drizzle(db)
    .select({ value: cursors.value })
    .from(cursors)
    .where(
      and(
        eq(cursors.workspaceId, key.workspaceId),
        eq(cursors.pipeline, key.pipeline),
        eq(cursors.stream, key.stream),
        eq(cursors.table, key.table),
        eq(cursors.column, key.column),
      ),
    )
    .limit(1)
  return rows[0]?.value
}

/**
 * The end of a run and the cursors it earned, in one transaction; takes the stored credentials away. Only the first call
 * does anything: a repeat that comes late must not take back a cursor that a later run has moved on.
 */
export async function endExecution(db: D1Database, view: ExecutionView, earned: CursorValue[]): Promise<void> {
  const orm = drizzle(db)
  const endedAtMs = view.endedAtMs ?? Date.now()
  const text = JSON.stringify(view)
  const status = view.status === 'SUCCESS' ? 'SUCCESS' : 'FAILED'
  const unended = and(eq(executions.id, view.id), isNull(executions.endedAtMs))
  const end = orm
    .update(executions)
    .set({ status, endedAtMs, sealedCommand: null, view: text.length <= VIEW_MAX_CHARS ? text : JSON.stringify(withoutColumns(view)) })
    .where(unended)
  const moves = earned.map(({ key, value }) =>
    orm
      .insert(cursors)
      .select(
        sql`SELECT ${key.workspaceId}, ${key.pipeline}, ${key.stream}, ${key.table}, ${key.column}, ${value}, ${view.id}, ${endedAtMs} FROM ${executions} WHERE ${unended}`,
      )
      .onConflictDoUpdate({
        target: [cursors.workspaceId, cursors.pipeline, cursors.stream, cursors.table, cursors.column],
        set: { value, executionId: view.id, updatedAtMs: endedAtMs },
      }),
  )
  const [first, ...rest] = [...moves, end]
  if (first) await orm.batch([first, ...rest])
}

function withoutColumns(view: ExecutionView): ExecutionView {
  return { ...view, resources: view.resources.map(({ columns: _columns, schema: _schema, statements: _statements, ...rest }) => rest) }
}
