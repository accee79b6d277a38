import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = await workbench('dry')
  await bench.source(`
    CREATE TABLE users (id int PRIMARY KEY, name text, paid numeric(10,2) NOT NULL, born date, free numeric, tags text[]);
    INSERT INTO users SELECT g, 'user ' || g, g, '2000-01-01', g, ARRAY['a'] FROM generate_series(1, 500) g; ANALYZE users`)
})
afterAll(() => bench.close())

/** Rows of the service's D1 database that belong to a pipeline. */
function stored(pipeline: string): number {
  const folder = join(inject('sluice').dataDir, 'v3/d1')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /[0-9a-f]{64}\.sqlite$/.test(name))
  let rows = 0
  let tables = 0
  for (const file of files) {
    const db = new DatabaseSync(join(folder, file), { readOnly: true })
    for (const table of ['executions', 'cursors']) {
      if (!db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(table)) continue
      tables++
      rows += Number(db.prepare(`SELECT count(*) AS n FROM ${table} WHERE pipeline = ?`).get(pipeline)?.n)
    }
    db.close()
  }
  expect(tables).toBe(2)
  return rows
}

interface Column {
  destination_column: string
  destination_type: string
}

it('a dry run tells exactly what the load then does, and changes nothing at the destination or here', async () => {
  const request = { identity: 'plan', dataset_name: `${bench.clickhouse}_new`, resources: [{ source_table_name: 'users' }] }
  const databases = () => bench.destination(`SELECT name FROM system.databases WHERE startsWith(name, '${bench.clickhouse}') ORDER BY name`)
  const before = await databases()
  const dry = await bench.ingest(request, { query: '?dry_run=1' })
  expect(dry.status).toBe(200)
  expect(dry.body).toMatchObject({ status: 'success', dry_run: true, pipeline_name: 'plan' })
  expect(await databases()).toEqual(before)
  expect(stored('plan')).toBe(0)
  expect((await bench.get('/ingest/plan/observe')).status).toBe(404)

  const [planned] = dry.body.plan.resources
  const real = await bench.ingest(request)
  expect(real.body).toMatchObject({ status: 'success' })
  expect(stored('plan')).toBe(1)
  const [done] = real.body.receipt.resources
  expect(done.statements).toEqual(planned.statements)
  expect(done.notes).toEqual(planned.notes)
  expect([done.lane, done.consistency, done.chunks.total, done.destination_table_name, done.estimated_rows]).toEqual([
    planned.lane,
    planned.consistency,
    planned.chunks,
    planned.destination_table_name,
    planned.estimated_rows,
  ])
  const made = await bench.destination(
    `SELECT name, type FROM system.columns WHERE database = '${bench.clickhouse}_new' AND table = 'users' ORDER BY position`,
  )
  expect(made).toEqual(planned.columns.map((column: Column) => ({ name: column.destination_column, type: column.destination_type })))
  await bench.destination(`SELECT 1`)
  const [{ create }] = (await bench.destination(
    `SELECT create_table_query AS create FROM system.tables WHERE database = '${bench.clickhouse}_new' AND name = 'users'`,
  )) as [{ create: string }]
  // The server adds only what it always adds.
  const plain = (text: string) => text.replaceAll(/[`"]/g, '').replace(/ SETTINGS index_granularity = 8192$/, '')
  expect(plain(create)).toBe(plain(planned.statements[1]))
})

it('losses are told per column', async () => {
  const dry = await bench.ingest({ identity: 'losses', resources: [{ source_table_name: 'users' }] }, { query: '?dry_run=true' })
  const losses = Object.fromEntries(
    dry.body.plan.resources[0].columns.map((column: { name: string; loss: string | null }) => [column.name, column.loss]),
  )
  expect(losses).toMatchObject({ id: null, name: null })
  expect(losses.free).toMatch(/exact text/)
  expect(losses.born).toMatch(/1900-01-01/)
  expect(losses.paid).toMatch(/NaN/)
})

it('a dry run over an existing table shows only what would change, and finds what cannot fit', async () => {
  await bench.source(`CREATE TABLE grown (id int PRIMARY KEY, v int)`)
  expect((await bench.ingest({ identity: 'grown', resources: [{ source_table_name: 'grown' }] })).status).toBe(200)
  await bench.source(`ALTER TABLE grown ADD COLUMN extra text, ALTER COLUMN v TYPE bigint`)
  const grown = await bench.ingest({ identity: 'grown', resources: [{ source_table_name: 'grown' }] }, { query: '?dry_run=1' })
  expect(grown.body.plan.resources[0].statements).toEqual([
    expect.stringMatching(/^ALTER TABLE .*(v.*Int64.*extra.*String|extra.*String.*v.*Int64)/),
  ])
  expect(
    await bench.destination(
      `SELECT name, type FROM system.columns WHERE database = '${bench.clickhouse}' AND table = 'grown' ORDER BY position`,
    ),
  ).toEqual([
    { name: 'id', type: 'Int32' },
    { name: 'v', type: 'Nullable(Int32)' },
  ])
  await bench.source(`ALTER TABLE grown ALTER COLUMN v TYPE boolean USING true`)
  const unfit = await bench.ingest({ identity: 'grown', resources: [{ source_table_name: 'grown' }] }, { query: '?dry_run=1' })
  expect(unfit.status).toBe(422)
  expect(unfit.body.status).toBe('error')
  expect(unfit.body.message).toContain('"v"')
})

it('a dry run of what is not there is the error that the load would be', async () => {
  const request = { identity: 'absent', resources: [{ source_table_name: 'user' }] }
  const dry = await bench.ingest(request, { query: '?dry_run=1' })
  const real = await bench.ingest(request)
  expect([dry.status, dry.body.message]).toEqual([real.status, real.body.message])
  expect(dry.body.message).toContain('"users"')
})
