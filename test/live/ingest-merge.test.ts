import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = await workbench('merge')
})
afterAll(() => bench.close())

/** Loads table `name` and expects success; returns the rows of the receipt. */
async function merge(name: string, write_disposition_config: Record<string, unknown>) {
  const answer = await bench.ingest({ identity: name, resources: [{ source_table_name: name, write_disposition_config }] })
  expect(answer.body).toMatchObject({ status: 'success' })
  return answer.body.receipt.resources[0].rows
}

const rowsOf = (name: string) => bench.destination(`SELECT * FROM ${name} ORDER BY ALL`)

it('F18: an upsert with a changed value of one key leaves one row with the new value', async () => {
  await bench.source(`CREATE TABLE prices (symbol text PRIMARY KEY, price int); INSERT INTO prices VALUES ('A', 1), ('B', 2), ('C', 3)`)
  const upsert = { type: 'merge', strategy: 'upsert', config: { primary_key: 'symbol' } }
  await merge('prices', upsert)
  await bench.source(
    `UPDATE prices SET price = 20 WHERE symbol = 'B'; DELETE FROM prices WHERE symbol = 'C'; INSERT INTO prices VALUES ('D', 4)`,
  )
  expect(await merge('prices', upsert)).toEqual({ read: 3, delivered: 3, found: 3, folded: 0, in_table: 4 })
  // A key that the load does not bring stays.
  expect(await rowsOf('prices')).toEqual([
    { symbol: 'A', price: 1 },
    { symbol: 'B', price: 20 },
    { symbol: 'C', price: 3 },
    { symbol: 'D', price: 4 },
  ])
})

it('F19: the flat and the nested config of an upsert do the same', async () => {
  await bench.source(`CREATE TABLE forms (a int, b int, v text, PRIMARY KEY (a, b)); INSERT INTO forms VALUES (1, 1, 'old'), (1, 2, 'old')`)
  await merge('forms', { type: 'merge', strategy: 'upsert', config: { primary_key: ['a', 'b'] } })
  await bench.source(`UPDATE forms SET v = 'new' WHERE b = 2`)
  await merge('forms', { type: 'merge', strategy: 'upsert', config: { upsert_config: { primary_key: ['a', 'b'] } } })
  const expected = [
    { a: 1, b: 1, v: 'old' },
    { a: 1, b: 2, v: 'new' },
  ]
  expect(await rowsOf('forms')).toEqual(expected)
})

it('an upsert with hard_delete_column removes flagged rows and nothing else', async () => {
  await bench.source(`CREATE TABLE flagged (id int PRIMARY KEY, v text, gone boolean);
    INSERT INTO flagged SELECT g, 'v' || g, g = 9 FROM generate_series(1, 9) g`)
  const upsert = { type: 'merge', strategy: 'upsert', config: { primary_key: 'id', hard_delete_column: 'gone' } }
  expect(await merge('flagged', upsert)).toEqual({ read: 9, delivered: 9, found: 8, folded: 1, in_table: 8 })
  await bench.source(`UPDATE flagged SET gone = true WHERE id <= 3; UPDATE flagged SET gone = NULL WHERE id = 4`)
  expect(await merge('flagged', upsert)).toEqual({ read: 9, delivered: 9, found: 5, folded: 4, in_table: 5 })
  expect(await bench.destination('SELECT groupArray(id) AS ids FROM (SELECT id FROM flagged ORDER BY id)')).toEqual([
    { ids: [4, 5, 6, 7, 8] },
  ])
})

it('delete-insert with merge_key replaces every row of the keys that the load brings', async () => {
  await bench.source(`CREATE TABLE days (day date, n int); INSERT INTO days VALUES ('2024-01-01', 1), ('2024-01-01', 2), ('2024-01-02', 3)`)
  const byDay = { type: 'merge', strategy: 'delete-insert', config: { merge_key: 'day' } }
  await merge('days', byDay)
  await bench.source(`TRUNCATE days; INSERT INTO days VALUES ('2024-01-01', 10), ('2024-01-03', 30)`)
  expect(await merge('days', byDay)).toEqual({ read: 2, delivered: 2, found: 2, folded: 0, in_table: 3 })
  expect(await rowsOf('days')).toEqual([
    { day: '2024-01-01', n: 10 },
    { day: '2024-01-02', n: 3 },
    { day: '2024-01-03', n: 30 },
  ])
})

it('delete-insert with primary_key keeps one row per key, chosen by dedup_sort_column, and is the default of merge', async () => {
  await bench.source(`CREATE TABLE versions (id int, v text, changed int);
    INSERT INTO versions VALUES (1, 'first', 1), (1, 'last', 9), (1, 'middle', 5), (1, 'unknown', NULL), (2, 'only', 3)`)
  const rows = await merge('versions', { type: 'merge', config: { primary_key: 'id', dedup_sort_column: { changed: 'desc' } } })
  expect(rows).toEqual({ read: 5, delivered: 5, found: 2, folded: 3, in_table: 2 })
  expect(await rowsOf('versions')).toMatchObject([
    { id: 1, v: 'last' },
    { id: 2, v: 'only' },
  ])
  await merge('versions', {
    type: 'merge',
    strategy: 'delete-insert',
    config: { delete_insert_config: { primary_key: 'id', dedup_sort_column: { changed: 'asc' } } },
  })
  expect(await rowsOf('versions')).toMatchObject([
    { id: 1, v: 'first' },
    { id: 2, v: 'only' },
  ])
})

it('delete-insert with both keys and hard_delete_column: either key deletes, flagged rows are not inserted', async () => {
  await bench.source(`CREATE TABLE lines (id int, doc int, gone timestamptz);
    INSERT INTO lines VALUES (1, 10, NULL), (2, 10, NULL), (3, 20, NULL), (4, 30, NULL)`)
  const config = { primary_key: ['id'], merge_key: ['doc'], hard_delete_column: 'gone' }
  const deleteInsert = { type: 'merge', strategy: 'delete-insert', config }
  await merge('lines', deleteInsert)
  // Document 10 comes with line 1 alone; line 3 moved to document 99; line 4 is deleted.
  await bench.source(`TRUNCATE lines; INSERT INTO lines VALUES (1, 10, NULL), (3, 99, NULL), (4, 30, now())`)
  await merge('lines', deleteInsert)
  expect(await bench.destination('SELECT id, doc FROM lines ORDER BY id')).toEqual([
    { id: 1, doc: 10 },
    { id: 3, doc: 99 },
  ])
})

it.each(['truncate-and-insert', 'insert-from-staging', 'staging-optimized'])(
  'replace with strategy %s shows the new rows alone',
  async (strategy) => {
    const name = strategy.replaceAll('-', '_')
    await bench.source(`CREATE TABLE ${name} (id int); INSERT INTO ${name} VALUES (1), (2), (3)`)
    await merge(name, { type: 'replace', strategy })
    await bench.source(`TRUNCATE ${name}; INSERT INTO ${name} VALUES (7)`)
    expect(await merge(name, { type: 'replace', strategy })).toEqual({ read: 1, delivered: 1, found: 1, folded: 0, in_table: 1 })
    expect(await rowsOf(name)).toEqual([{ id: 7 }])
  },
)

it('a merge that cannot be (NULL in the key) leaves the destination as it was and nothing staged', async () => {
  await bench.source(`CREATE TABLE keyless (id int, v text); INSERT INTO keyless VALUES (1, 'kept')`)
  const upsert = { type: 'merge', strategy: 'upsert', config: { primary_key: 'id' } }
  await merge('keyless', upsert)
  const before = await bench.tables()
  await bench.source(`INSERT INTO keyless VALUES (NULL, 'no key'), (2, 'new')`)
  const answer = await bench.ingest({
    identity: 'keyless',
    resources: [{ source_table_name: 'keyless', write_disposition_config: upsert }],
  })
  expect(answer.status).toBe(422)
  expect(answer.body.failed[0].fault).toMatchObject({ tag: 'bad-data', place: { side: 'destination', column: 'id' } })
  expect(await rowsOf('keyless')).toEqual([{ id: 1, v: 'kept' }])
  expect(await bench.tables()).toEqual(before)
})
