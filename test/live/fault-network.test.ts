import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest'
import { destinationState, expectRefused } from './refused.ts'
import { type Rig, rig } from './rig.ts'

const ROWS = 40_000

let here: Rig
beforeAll(async () => {
  here = await rig('network')
  // About 4.5 MB: some nine chunks.
  await here.bench.source(`CREATE TABLE items (id int PRIMARY KEY, body text NOT NULL);
    INSERT INTO items SELECT g, repeat(md5(g::text), 3) FROM generate_series(1, ${ROWS}) g; ANALYZE items`)
  await here.clickhouse("CREATE TABLE items (id Int32, body String) ENGINE = MergeTree ORDER BY id AS SELECT -1 AS id, 'old' AS body")
})
afterAll(() => here.close())
afterEach(() => {
  here.toPostgres.weather = {}
  here.toClickHouse.weather = {}
})

const items = { source_table_name: 'items' }
const exact = [{ n: String(ROWS), distinct: String(ROWS), s: String((ROWS * (ROWS + 1)) / 2) }]
const content = () =>
  here.bench.destination('SELECT toString(count()) AS n, toString(uniqExact(id)) AS distinct, toString(sum(id)) AS s FROM items')
const slowly = { downBytesPerSecond: 1_500_000 }

it('every connection to Postgres is cut in the middle of a copy: it heals, and the rows are exact', async () => {
  here.toPostgres.weather = slowly
  const loading = here.ingest(items)
  await here.staged()
  expect(here.toPostgres.cut()).toBeGreaterThan(0)
  here.toPostgres.weather = {}
  const answer = await loading
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(await content()).toEqual(exact)
  expect(answer.body.receipt.healing.length).toBeGreaterThan(0)
  expect(await here.bench.tables()).toEqual(['items'])
})

it('every connection to ClickHouse is cut in the middle of a copy: it heals, and the rows are exact', async () => {
  here.toPostgres.weather = slowly
  const loading = here.ingest(items)
  await here.staged()
  expect(here.toClickHouse.cut()).toBeGreaterThan(0)
  here.toPostgres.weather = {}
  const answer = await loading
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(await content()).toEqual(exact)
  expect(await here.bench.tables()).toEqual(['items'])
})

it('the network swallows everything from Postgres for a while: it notices, heals when it is back, and the rows are exact', async () => {
  here.toPostgres.weather = slowly
  const loading = here.ingest(items)
  await here.staged()
  here.toPostgres.weather = { blackHole: true }
  const before = here.toPostgres.accepted
  // Trying anew is the sign that the silence was noticed.
  while (here.toPostgres.accepted < before + 3) await new Promise((resolve) => setTimeout(resolve, 50))
  here.toPostgres.weather = {}
  const answer = await loading
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(answer.body.receipt.healing[0].cause).toMatchObject({ tag: expect.stringMatching(/unreachable|snapshot-lost/) })
  expect(await content()).toEqual(exact)
  expect(await here.bench.tables()).toEqual(['items'])
})

it('the network swallows everything to ClickHouse for a while: it notices, heals when it is back, and the rows are exact', async () => {
  here.toPostgres.weather = slowly
  const loading = here.ingest(items)
  await here.staged()
  here.toClickHouse.weather = { blackHole: true }
  const before = here.toClickHouse.accepted
  while (here.toClickHouse.accepted < before + 3) await new Promise((resolve) => setTimeout(resolve, 50))
  // What a black hole swallowed is lost: its connections do not come back.
  here.toClickHouse.cut()
  here.toClickHouse.weather = {}
  const answer = await loading
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(await content()).toEqual(exact)
  expect(await here.bench.tables()).toEqual(['items'])
})

it('slow and delayed networks at both ends only take longer', async () => {
  here.toPostgres.weather = { delayMs: 5, downBytesPerSecond: 3_000_000 }
  here.toClickHouse.weather = { delayMs: 5, upBytesPerSecond: 3_000_000 }
  const answer = await here.ingest(items)
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(await content()).toEqual(exact)
})

it('a Postgres that is gone for good is a clear failure, and the destination is as it was', async () => {
  const before = await destinationState(here.bench)
  here.toPostgres.weather = slowly
  const loading = here.ingest(items)
  await here.staged()
  here.toPostgres.weather = { refuses: true }
  here.toPostgres.cut()
  expectRefused(await loading, {
    status: 502,
    tag: 'unreachable',
    side: 'source',
    cause: /./,
    place: [`127.0.0.1:${here.toPostgres.port}`, 'items'],
    remedy: /Check/,
  })
  expect(await destinationState(here.bench)).toEqual(before)
})

it('a silent Postgres and a silent ClickHouse are noticed before the first byte as well', async () => {
  const refusal = { status: 502, tag: 'unreachable', cause: /./, remedy: /Check/ } as const
  here.toPostgres.weather = { blackHole: true }
  expectRefused(await here.ingest(items), { ...refusal, side: 'source', place: [`127.0.0.1:${here.toPostgres.port}`] })
  here.toPostgres.weather = {}
  here.toClickHouse.weather = { blackHole: true }
  expectRefused(await here.ingest(items), {
    ...refusal,
    side: 'destination',
    cause: /does not answer \(silent for/,
    place: [`127.0.0.1:${here.toClickHouse.port}`],
  })
  expect(inject('clickhouse').port).not.toBe(here.toClickHouse.port)
})
