import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { destinationState, refusedAndAsBefore } from './refused.ts'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench
beforeAll(async () => {
  bench = await workbench('destination')
  await bench.source(`CREATE TABLE stock (id int PRIMARY KEY, name text NOT NULL, amount int);
    INSERT INTO stock SELECT g, 'n' || g, g FROM generate_series(1, 2000) g`)
  expect((await load()).status).toBe(200)
})
afterAll(() => bench.close())

const load = (over: Record<string, unknown> = {}, resource: Record<string, unknown> = {}) =>
  bench.ingest({ identity: 'destination', resources: [{ source_table_name: 'stock', ...resource }], ...over })
const append = { write_disposition_config: { type: 'append' } }

async function clickhouse(sql: string): Promise<void> {
  const response = await fetch(`${inject('clickhouse').url}/?database=${bench.clickhouse}`, { method: 'POST', body: sql })
  if (!response.ok) throw new Error(await response.text())
}

it('an existing table with an incompatible column is named with the column, in every mode', async () => {
  await clickhouse('CREATE TABLE narrow (id Int32, name UInt8, amount Nullable(Int32)) ENGINE = MergeTree ORDER BY id AS SELECT 1, 2, 3')
  for (const type of ['replace', 'append']) {
    await refusedAndAsBefore(bench, () => load({}, { destination_table_name: 'narrow', write_disposition_config: { type } }), {
      status: 422,
      tag: 'schema-conflict',
      side: 'destination',
      cause: /string does not fit UInt8/,
      place: ['narrow', 'column "name"'],
      remedy: /another table|change the column/,
    })
  }
})

it('a column that the load does not bring and that has neither default nor room for NULL is named', async () => {
  await clickhouse(
    "CREATE TABLE strict (id Int32, name String, amount Nullable(Int32), must UInt8) ENGINE = MergeTree ORDER BY (id, must) AS SELECT 1, 'x', 3, 4",
  )
  await refusedAndAsBefore(bench, () => load({}, { destination_table_name: 'strict', ...append }), {
    status: 422,
    tag: 'schema-conflict',
    side: 'destination',
    cause: /no value for this column of type UInt8/,
    place: ['strict', 'column "must"'],
    remedy: /DEFAULT/,
  })
})

it('a column added at the source is added at the destination, a widened type widens it, and old rows stay', async () => {
  await bench.source('CREATE TABLE grows (id int PRIMARY KEY, small smallint); INSERT INTO grows VALUES (1, 7)')
  const grow = () => load({}, { source_table_name: 'grows', ...append })
  expect((await grow()).status).toBe(200)
  await bench.source(
    'ALTER TABLE grows ADD COLUMN extra text, ALTER COLUMN small TYPE bigint; UPDATE grows SET id = 2, small = 9000000000, extra = $$new$$',
  )
  const answer = await grow()
  expect([answer.status, answer.body.failed ?? []]).toEqual([200, []])
  expect(answer.body.receipt.resources[0].statements.join()).toMatch(
    /ADD COLUMN `extra`.*MODIFY COLUMN `small`|MODIFY COLUMN `small`.*ADD COLUMN `extra`/,
  )
  expect(await bench.destination('SELECT id, toString(small) AS small, extra FROM grows ORDER BY id')).toEqual([
    { id: 1, small: '7', extra: null },
    { id: 2, small: '9000000000', extra: 'new' },
  ])
  // A column that goes away at the source stays, with NULL in new rows.
  await bench.source('ALTER TABLE grows DROP COLUMN small; UPDATE grows SET id = 3')
  expect((await grow()).status).toBe(200)
  expect(await bench.destination('SELECT id, toString(small) AS small FROM grows WHERE id = 3')).toEqual([{ id: 3, small: null }])
})

it('views, and engines that cannot be swapped, are refused with the way out', async () => {
  await clickhouse('CREATE VIEW a_view AS SELECT 1 AS id')
  await clickhouse('CREATE MATERIALIZED VIEW a_mat ENGINE = MergeTree ORDER BY id AS SELECT id FROM stock')
  for (const [table, cause] of [
    ['a_view', /is a View/],
    ['a_mat', /is a MaterializedView/],
  ] as const) {
    await refusedAndAsBefore(bench, () => load({}, { destination_table_name: table }), {
      status: 422,
      tag: 'unsupported',
      side: 'destination',
      cause,
      place: [table],
      remedy: /table behind it/,
    })
  }
  await clickhouse('DROP VIEW a_mat SYNC')
  for (const engine of ['Memory', 'Log', 'Null']) {
    const table = `in_${engine}`
    await clickhouse(`CREATE TABLE ${table} (id Int32, name String, amount Nullable(Int32)) ENGINE = ${engine}`)
    await refusedAndAsBefore(bench, () => load({}, { destination_table_name: table, ...append }), {
      status: 422,
      tag: 'unsupported',
      side: 'destination',
      cause: new RegExp(`engine ${engine} cannot be published by a swap`),
      place: [table],
      remedy: /publish=insert/,
    })
  }
  const answer = await load({ destination_uri: `${bench.destinationUri}&publish=insert` }, { destination_table_name: 'in_Log', ...append })
  expect([answer.status, answer.body.failed ?? []]).toEqual([200, []])
  expect(await bench.destination('SELECT toString(count()) AS n, toString(sum(id)) AS s FROM in_Log')).toEqual([
    { n: '2000', s: '2001000' },
  ])
})

it('a materialized view that depends on the table is warned of, and fed with publish=insert', async () => {
  await clickhouse('CREATE TABLE watched (id Int32, name String, amount Nullable(Int32)) ENGINE = MergeTree ORDER BY id')
  await clickhouse('CREATE TABLE seen (id Int32) ENGINE = MergeTree ORDER BY id')
  await clickhouse('CREATE MATERIALIZED VIEW watcher TO seen AS SELECT id FROM watched')
  const to = { destination_table_name: 'watched', ...append }
  const swapped = await load({}, to)
  expect(swapped.status).toBe(200)
  expect(swapped.body.receipt.resources[0].notes.join(' ')).toMatch(
    /Warning: .*watcher depends on this table and will not see.*publish=insert/,
  )
  expect(await bench.destination('SELECT toString(count()) AS n FROM seen')).toEqual([{ n: '0' }])
  expect((await load({ destination_uri: `${bench.destinationUri}&publish=insert` }, to)).status).toBe(200)
  expect(await bench.destination('SELECT toString(count()) AS n FROM seen')).toEqual([{ n: '2000' }])
  expect(await bench.destination('SELECT toString(count()) AS n FROM watched')).toEqual([{ n: '4000' }])
})

it('after all of this nothing is staged any more', async () => {
  expect((await destinationState(bench)).filter(({ table }) => table.startsWith('_sluice_'))).toEqual([])
})
