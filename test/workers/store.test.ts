import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import type { ExecutionView } from '../../src/core/execution.ts'
import {
  cursorKey,
  endExecution,
  findCursor,
  findExecution,
  findLatestExecution,
  insertExecution,
  listUnended,
  markRunning,
} from '../../src/store/executions.ts'

let counter = 0
function newRow(values: { workspaceId?: string; pipeline?: string; idempotencyKey?: string; createdAtMs?: number } = {}) {
  counter++
  return {
    id: `e${counter}`,
    workspaceId: 'w1',
    pipeline: 'p',
    commandFingerprint: `f${counter}`,
    sealedCommand: 'sealed',
    createdAtMs: counter,
    ...values,
    idempotencyKey: values.idempotencyKey ?? null,
  }
}

function view(id: string, status: 'SUCCESS' | 'FAILED'): ExecutionView {
  const ends = { source: { system: 's', address: 'a' }, destination: { system: 'd', address: 'b' } }
  return { id, pipeline: 'p', status, createdAtMs: 1, endedAtMs: 9, cancelRequested: false, ...ends, resources: [], healing: [] }
}

beforeAll(async () => {
  await applyD1Migrations(env.DB, env.MIGRATIONS)
})

describe('executions in D1', () => {
  it('are found only inside their workspace', async () => {
    const { row } = await insertExecution(env.DB, newRow())
    expect(await findExecution(env.DB, 'w1', row.id)).toMatchObject({ id: row.id, status: 'PENDING' })
    expect(await findExecution(env.DB, 'w2', row.id)).toBeUndefined()
  })
  it('are created once per idempotency key and workspace', async () => {
    const first = await insertExecution(env.DB, newRow({ idempotencyKey: 'k' }))
    const again = await insertExecution(env.DB, newRow({ idempotencyKey: 'k' }))
    const elsewhere = await insertExecution(env.DB, newRow({ idempotencyKey: 'k', workspaceId: 'w2' }))
    expect([first.created, again.created, elsewhere.created]).toEqual([true, false, true])
    expect(again.row.id).toBe(first.row.id)
  })
  it('lose their credentials when they end, and ending twice changes nothing', async () => {
    const { row } = await insertExecution(env.DB, newRow())
    await markRunning(env.DB, row.id)
    await endExecution(env.DB, view(row.id, 'SUCCESS'), [])
    await endExecution(env.DB, view(row.id, 'SUCCESS'), [])
    expect(await findExecution(env.DB, 'w1', row.id)).toMatchObject({ status: 'SUCCESS', sealedCommand: null, endedAtMs: 9 })
    await markRunning(env.DB, row.id)
    expect(await findExecution(env.DB, 'w1', row.id)).toMatchObject({ status: 'SUCCESS' })
  })
  it('are swept only while they have not ended', async () => {
    const open = await insertExecution(env.DB, newRow({ pipeline: 'sweep', createdAtMs: 1 }))
    const ended = await insertExecution(env.DB, newRow({ pipeline: 'sweep', createdAtMs: 1 }))
    await endExecution(env.DB, view(ended.row.id, 'FAILED'), [])
    const ids = (await listUnended(env.DB, 1_000_000, 100)).map((row) => row.id)
    expect(ids).toContain(open.row.id)
    expect(ids).not.toContain(ended.row.id)
  })
  it('are listed by pipeline, newest first', async () => {
    await insertExecution(env.DB, newRow({ pipeline: 'latest', createdAtMs: 5 }))
    const newest = await insertExecution(env.DB, newRow({ pipeline: 'latest', createdAtMs: 6 }))
    expect((await findLatestExecution(env.DB, 'w1', 'latest'))?.id).toBe(newest.row.id)
    expect(await findLatestExecution(env.DB, 'w2', 'latest')).toBeUndefined()
  })
  it('keep a view of thousands of columns by leaving them out, not by failing', async () => {
    const { row } = await insertExecution(env.DB, newRow())
    const columns = Array.from({ length: 40_000 }, (_, index) => ({
      name: `column_${index}`,
      type: { kind: 'string' as const },
      nullable: true,
    }))
    const resource = {
      stream: 's',
      table: 't',
      mode: 'append' as const,
      phase: 'done' as const,
      notes: [],
      chunksDone: 1,
      chunksTotal: 1,
      allPlanned: true,
      bytes: 1,
      deliveredRows: 7,
    }
    await endExecution(env.DB, { ...view(row.id, 'SUCCESS'), resources: [{ ...resource, schema: { fields: columns } }] }, [])
    const kept = JSON.parse((await findExecution(env.DB, 'w1', row.id))?.view ?? '{}') as ExecutionView
    expect(kept.resources[0]).toMatchObject({ deliveredRows: 7 })
  })
})

describe('cursors', () => {
  it('move together with the end of the run that earned them', async () => {
    const first = await insertExecution(env.DB, newRow())
    const second = await insertExecution(env.DB, newRow())
    const key = cursorKey('w1', 'p', { stream: 'users', cursor: { column: 'id' } })
    expect(await findCursor(env.DB, key)).toBeUndefined()
    await endExecution(env.DB, view(first.row.id, 'SUCCESS'), [{ key, value: '41' }])
    expect(await findCursor(env.DB, key)).toBe('41')
    await endExecution(env.DB, view(second.row.id, 'SUCCESS'), [{ key, value: '42' }])
    expect(await findCursor(env.DB, key)).toBe('42')
    expect(await findCursor(env.DB, { ...key, workspaceId: 'w2' })).toBeUndefined()
  })
  it('are not taken back by a run whose end is stored a second time, after the next run', async () => {
    const first = await insertExecution(env.DB, newRow())
    const second = await insertExecution(env.DB, newRow())
    const key = cursorKey('w1', 'p', { stream: 'late', cursor: { column: 'id' } })
    await endExecution(env.DB, view(first.row.id, 'SUCCESS'), [{ key, value: '10' }])
    await endExecution(env.DB, view(second.row.id, 'SUCCESS'), [{ key, value: '20' }])
    await endExecution(env.DB, view(first.row.id, 'SUCCESS'), [{ key, value: '10' }])
    expect(await findCursor(env.DB, key)).toBe('20')
  })
})
