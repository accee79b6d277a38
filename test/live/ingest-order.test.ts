import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventually } from '../support/servers/ports.ts'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = await workbench('order')
  await bench.source(`
    CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users SELECT g, 'user ' || g FROM generate_series(1, 100) g;
    CREATE VIEW slow AS SELECT g AS id, pg_sleep(0.05)::text AS s FROM generate_series(1, 40) g`)
})
afterAll(() => bench.close())

const loadInto = (
  identity: string,
  destination_table_name: string,
  mode: Record<string, unknown> = { type: 'replace' },
  source_table_name = 'users',
) => bench.ingest({ identity, resources: [{ source_table_name, destination_table_name, write_disposition_config: mode }] })

it('two runs of one identity follow each other, in the order in which they came', async () => {
  const send = async (source_table_name: string) => {
    const answer = await bench.ingest(
      { identity: 'serial', resources: [{ source_table_name, destination_table_name: `serial_${source_table_name}` }] },
      { headers: { prefer: 'respond-async' } },
    )
    return answer.body.execution_id as string
  }
  const ids = [await send('slow'), await send('users')]
  const receipts = await Promise.all(
    ids.map((id) =>
      eventually(`the end of ${id}`, 90_000, async () => {
        const { body } = await bench.get(`/ingest/executions/${id}`)
        return body.status === 'processing' ? undefined : body.receipt
      }),
    ),
  )
  expect(receipts.map(({ state }) => state)).toEqual(['success', 'success'])
  expect(Date.parse(receipts[1].started_at)).toBeGreaterThanOrEqual(Date.parse(receipts[0].ended_at))
})

it('20 runs of different identities into different tables all end well', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => loadInto(`many ${n}`, `many_${n}`)))
  expect(answers.map(({ body }) => [body.status, body.receipt?.resources[0].rows.found])).toEqual(answers.map(() => ['success', 100]))
  const counts = await bench.destination(
    `SELECT count() AS tables, sum(total_rows) AS rows FROM system.tables WHERE database = '${bench.clickhouse}' AND startsWith(name, 'many_')`,
  )
  expect(counts).toEqual([{ tables: 20, rows: 2000 }])
  expect((await bench.tables()).filter((name) => name.startsWith('_sluice'))).toEqual([])
})

it('20 runs of different identities that append to one table are published one after the other and none is lost', async () => {
  expect((await loadInto('shared', 'shared', { type: 'append' })).status).toBe(200)
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => loadInto(`shared ${n}`, 'shared', { type: 'append' })))
  expect(answers.map(({ body }) => body.message)).toEqual(answers.map(() => 'Data Ingestion is completed successfully'))
  expect(await bench.destination('SELECT count() AS n, uniqExact(id) AS keys FROM shared')).toEqual([{ n: 2100, keys: 100 }])
  // Each saw the table grow by its own rows alone.
  const sizes = answers.map(({ body }) => body.receipt.resources[0].rows.in_table).sort((a, b) => a - b)
  expect(sizes).toEqual(Array.from({ length: 20 }, (_, n) => 200 + 100 * n))
  expect((await bench.tables()).filter((name) => name.startsWith('_sluice'))).toEqual([])
})

it('several runs that create one table at once end well: the first creates it, the others find it', async () => {
  const answers = await Promise.all(Array.from({ length: 6 }, (_, n) => loadInto(`creator ${n}`, 'created', { type: 'append' })))
  expect(answers.map(({ body }) => body.message)).toEqual(answers.map(() => 'Data Ingestion is completed successfully'))
  expect(await bench.destination('SELECT count() AS n FROM created')).toEqual([{ n: 600 }])
})

it('two resources of one request into one table are both in it', async () => {
  const resource = { source_table_name: 'users', destination_table_name: 'twice', write_disposition_config: { type: 'append' } }
  const answer = await bench.ingest({ identity: 'twice', resources: [resource, resource] })
  expect(answer.body).toMatchObject({ status: 'success' })
  expect(await bench.destination('SELECT count() AS n FROM twice')).toEqual([{ n: 200 }])
})
