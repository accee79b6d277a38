import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventually } from '../support/servers/ports.ts'
import { Sluice } from '../support/servers/sluice.ts'
import { type Workbench, workbench } from './workbench.ts'

let sluice: Sluice
let bench: Workbench
let slowUri: string
const ROLE = `slow_reader_${process.pid}`

beforeAll(async () => {
  // Small chunks, so that a table has many of them.
  sluice = await Sluice.start({ vars: { CHUNK_BYTES: '8192' } })
  bench = await workbench('cancel', sluice.url)
  // Row-level security makes any table slow: each row waits before it is shown. It does not bind superusers.
  await bench.source(`
    CREATE ROLE ${ROLE} LOGIN PASSWORD 'slow';
    CREATE TABLE slow (id int PRIMARY KEY, filler text);
    INSERT INTO slow SELECT g, repeat('x', 200) FROM generate_series(1, 2000) g;
    ALTER TABLE slow ENABLE ROW LEVEL SECURITY;
    CREATE POLICY slowly ON slow USING (pg_sleep(0.02) IS NOT NULL);
    CREATE TABLE quick (id int PRIMARY KEY); INSERT INTO quick VALUES (1), (2);
    GRANT SELECT ON slow, quick TO ${ROLE}`)
  slowUri = bench.sourceUri.replace(/\/\/[^@]+@/, `//${ROLE}:slow@`)
})
afterAll(async () => {
  await bench.source(`DROP OWNED BY ${ROLE}; DROP ROLE ${ROLE}`)
  await bench.close()
  await sluice.stop()
})

async function start(identity: string, source_table_name: string, destination_table_name = source_table_name): Promise<string> {
  const resources = [{ source_table_name, destination_table_name }]
  const answer = await bench.ingest({ identity, source_uri: slowUri, resources }, { headers: { prefer: 'respond-async' } })
  expect(answer.status).toBe(202)
  return answer.body.execution_id
}

const receiptOf = async (id: string) => (await bench.get(`/ingest/executions/${id}`)).body.receipt

async function reaches(id: string, what: string, test: (receipt: Awaited<ReturnType<typeof receiptOf>>) => boolean) {
  return await eventually(`${id} ${what}`, 60_000, async () => {
    const receipt = await receiptOf(id)
    return test(receipt) ? receipt : undefined
  })
}

const copying = (receipt: { resources: { chunks: { done: number } }[] }) => (receipt.resources[0]?.chunks.done ?? 0) >= 2
const hasEnded = ({ ended_at }: { ended_at: string | null }) => ended_at !== null

/** COPY backends of the slow role, and queries of ClickHouse that name this test's database. */
async function underWay(): Promise<{ backends: number; queries: number }> {
  const [backend] = await bench.source<{ n: number }>(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = '${ROLE}'`)
  const [query] = await bench.destination<{ n: number }>(
    `SELECT count() AS n FROM system.processes WHERE position(query, '${bench.clickhouse}') > 0 AND position(query, 'system.processes') = 0`,
  )
  return { backends: backend?.n ?? -1, queries: query?.n ?? -1 }
}

it('a cancel in the middle of many chunks leaves the destination as it was, and nothing running or staged', async () => {
  await bench.ingest({ identity: 'before', resources: [{ source_table_name: 'quick', destination_table_name: 'slow' }] })
  const before = await bench.tables()
  const id = await start('cancelled', 'slow')
  const running = await reaches(id, 'copies', copying)
  expect(running.resources[0].chunks.total).toBeGreaterThan(20)
  expect((await underWay()).backends).toBeGreaterThan(0)

  const cancel = await bench.post(`/ingest/executions/${id}/cancel`)
  expect([200, 202]).toContain(cancel.status)
  // The answer itself shows it, and so does whoever asks next.
  expect(cancel.body.receipt.cancel_requested).toBe(true)
  expect((await receiptOf(id)).cancel_requested).toBe(true)

  const final = await reaches(id, 'ends', hasEnded)
  expect(final).toMatchObject({
    state: 'failed',
    fault: { tag: 'cancelled' },
    resources: [{ phase: 'failed', fault: { tag: 'cancelled' } }],
  })
  const answer = await bench.get(`/ingest/executions/${id}`)
  expect(answer.body).toMatchObject({ status: 'error', loaded: [], message: 'The execution was cancelled.' })
  await eventually('everything stops', 10_000, async () => {
    const { backends, queries } = await underWay()
    return backends === 0 && queries === 0 ? true : undefined
  })
  expect(await bench.tables()).toEqual(before)
  expect(await bench.destination('SELECT id FROM slow ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }])

  // What has ended stays as it is, and nothing moves any more.
  const again = await bench.post(`/ingest/executions/${id}/cancel`)
  expect(again.status).toBe(200)
  expect(again.body.receipt).toEqual(final)
  expect((await bench.get('/ingest/cancelled/observe')).body).toMatchObject({ status: 'failed', error: 'The execution was cancelled.' })
})

it('after a cancel no byte moves: what the receipt counted stays, and the source is read no more', async () => {
  const id = await start('still', 'slow', 'still')
  await reaches(id, 'copies', copying)
  await bench.post(`/ingest/executions/${id}/cancel`)
  const final = await reaches(id, 'ends', hasEnded)
  const scans = async () =>
    (
      await bench.source<{ n: string }>(`SELECT coalesce(sum(seq_tup_read), 0)::text AS n FROM pg_stat_user_tables WHERE relname = 'slow'`)
    )[0]?.n
  await eventually('the backends end', 10_000, async () => ((await underWay()).backends === 0 ? true : undefined))
  const [bytes, tuples] = [final.resources[0].bytes, await scans()]
  await new Promise((resolve) => setTimeout(resolve, 1500))
  expect((await receiptOf(id)).resources[0].bytes).toBe(bytes)
  expect(await scans()).toBe(tuples)
  expect(await bench.tables()).not.toContain('still')
})

it('DELETE cancels a run that waits behind another one of its identity; the other goes on', async () => {
  const first = await start('queue', 'slow', 'first_of_queue')
  await reaches(first, 'runs', ({ state }) => state === 'running')
  const second = await start('queue', 'quick', 'second_of_queue')
  expect((await receiptOf(second)).state).toBe('pending')
  const response = await fetch(`${sluice.url}/ingest/executions/${second}`, { method: 'DELETE' })
  expect([200, 202]).toContain(response.status)
  const waited = await reaches(second, 'ends', hasEnded)
  expect(waited).toMatchObject({ state: 'failed', fault: { tag: 'cancelled' } })
  expect((await receiptOf(first)).state).toBe('running')
  await bench.post(`/ingest/executions/${first}/cancel`)
  await reaches(first, 'ends', hasEnded)
  // The place is free again.
  const third = await bench.ingest({ identity: 'queue', resources: [{ source_table_name: 'quick', destination_table_name: 'third' }] })
  expect(third.body).toMatchObject({ status: 'success' })
  expect(await bench.tables()).not.toContain('second_of_queue')
})

it('a load that is waited for tells its caller that it was cancelled', async () => {
  const waiting = bench.ingest({
    identity: 'waited',
    source_uri: slowUri,
    resources: [{ source_table_name: 'slow', destination_table_name: 'waited' }],
  })
  const id = await eventually('it runs', 30_000, async () => {
    const observed = await bench.get('/ingest/waited/observe')
    if (observed.body.metrics?.extract.status !== 'processing') return undefined
    return await executionAtWork()
  })
  await bench.post(`/ingest/executions/${id}/cancel`)
  const answer = await waiting
  expect(answer.status).toBe(409)
  expect(answer.body).toMatchObject({ status: 'error', execution_id: id, message: 'The execution was cancelled.' })
})

/** The id of a run that was started without respond-async, found by its staging tables. */
async function executionAtWork(): Promise<string | undefined> {
  const stages = (await bench.tables()).filter((name) => name.startsWith('_sluice_'))
  return /_sluice_[a-z]_[a-z0-9]+_([a-z0-9]{20})r\d+_/.exec(stages.at(-1) ?? '')?.[1]
}

it('a cancel shows within a second by the API while the source is silent', async () => {
  await bench.source(`CREATE VIEW silent AS SELECT 1 AS id, pg_sleep(600)::text AS s; GRANT SELECT ON silent TO ${ROLE}`)
  const id = await start('silent', 'silent')
  await eventually('the query runs', 30_000, async () => {
    const rows = await bench.source(`SELECT 1 FROM pg_stat_activity WHERE usename = '${ROLE}' AND query LIKE '%COPY%' AND state = 'active'`)
    return rows.length > 0 ? true : undefined
  })
  const cancel = await bench.post(`/ingest/executions/${id}/cancel`)
  expect(cancel.body.receipt.cancel_requested).toBe(true)
  await reaches(id, 'ends', hasEnded)
  await eventually('its backend ends', 10_000, async () => ((await underWay()).backends === 0 ? true : undefined))
  expect((await bench.tables()).filter((name) => name.startsWith('_sluice_') || name === 'silent')).toEqual([])
})
