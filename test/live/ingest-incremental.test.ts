import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = await workbench('incremental')
})
afterAll(() => bench.close())

interface Incremental {
  identity?: string
  source?: string
  mode?: Record<string, unknown>
  config: Record<string, unknown>
}

/** Appends what table `into` does not have yet; returns the whole answer. */
async function load(into: string, { identity = into, source = into, mode = { type: 'append' }, config }: Incremental) {
  const resource = {
    source_table_name: source,
    destination_table_name: into,
    write_disposition_config: mode,
    incremental_config: config,
  }
  return await bench.ingest({ identity, resources: [resource] })
}

async function delivered(into: string, request: Incremental): Promise<number> {
  const answer = await load(into, request)
  expect(answer.body).toMatchObject({ status: 'success' })
  return answer.body.receipt.resources[0].rows.delivered
}

const ids = async (table: string) =>
  (await bench.destination<{ ids: number[] }>(`SELECT arraySort(groupArray(id)) AS ids FROM ${table}`))[0]?.ids

it('F24: the second run loads only newer rows, the third finds none', async () => {
  await bench.source('CREATE TABLE events (id int PRIMARY KEY, v text); INSERT INTO events SELECT g, g FROM generate_series(1, 5) g')
  const config = { incremental_key: 'id' }
  expect(await delivered('events', { config })).toBe(5)
  await bench.source(`INSERT INTO events VALUES (6, 'new'), (7, 'new'); UPDATE events SET v = 'changed' WHERE id = 1`)
  expect(await delivered('events', { config })).toBe(2)
  expect(await delivered('events', { config })).toBe(0)
  expect(await ids('events')).toEqual([1, 2, 3, 4, 5, 6, 7])
  expect(await bench.destination('SELECT v FROM events WHERE id = 1')).toEqual([{ v: '1' }])
  await bench.source(`INSERT INTO events VALUES (8, 'later')`)
  expect(await delivered('events', { config })).toBe(1)
})

it('F24: the position is kept per identity: another one begins at the beginning', async () => {
  const config = { incremental_key: 'id' }
  expect(await delivered('events_of_other', { identity: 'other', source: 'events', config })).toBe(8)
  expect(await delivered('events', { config })).toBe(0)
})

it('F24: a failed run moves nothing: the next one loads what it missed', async () => {
  await bench.source('CREATE TABLE fragile (id int, day date NOT NULL)')
  await bench.source(`INSERT INTO fragile VALUES (1, '2024-01-01'), (2, '2024-01-02')`)
  const config = { incremental_key: 'id' }
  expect(await delivered('fragile', { config })).toBe(2)
  await bench.source(`INSERT INTO fragile VALUES (3, '2024-01-03'), (4, '0001-01-01')`)
  const failed = await load('fragile', { config })
  expect(failed.status).toBe(422)
  expect(failed.body.failed[0].fault).toMatchObject({ tag: 'bad-data', place: { side: 'destination', column: 'day' } })
  expect(await ids('fragile')).toEqual([1, 2])
  await bench.source(`UPDATE fragile SET day = '2024-01-04' WHERE id = 4; INSERT INTO fragile VALUES (5, '2024-01-05')`)
  expect(await delivered('fragile', { config })).toBe(3)
  expect(await ids('fragile')).toEqual([1, 2, 3, 4, 5])
})

it('F24: lag_window reads again behind the position, and a merge folds what it meets twice', async () => {
  await bench.source(`CREATE TABLE late (id int PRIMARY KEY, at timestamptz NOT NULL, v text);
    INSERT INTO late VALUES (1, '2024-01-01 10:00:00Z', 'a'), (2, '2024-01-01 12:00:00Z', 'b')`)
  const request = {
    mode: { type: 'merge', strategy: 'upsert', config: { primary_key: 'id' } },
    config: { incremental_key: 'at', lag_window: 3600 },
  }
  expect(await delivered('late', request)).toBe(2)
  // One row comes late but within the hour, one too late.
  await bench.source(`INSERT INTO late VALUES (3, '2024-01-01 11:30:00Z', 'late'), (4, '2024-01-01 10:30:00Z', 'too late')`)
  expect(await delivered('late', request)).toBe(2)
  expect(await ids('late')).toEqual([1, 2, 3])
  // What was read again did not move the position back.
  expect(await delivered('late', request)).toBe(2)
})

it('F24: a merge with a cursor starts at the last value again and misses no late row of the same value', async () => {
  await bench.source(`CREATE TABLE ties (id int PRIMARY KEY, day date NOT NULL, v text); INSERT INTO ties VALUES (1, '2024-05-01', 'a')`)
  const request = { mode: { type: 'merge', strategy: 'upsert', config: { primary_key: 'id' } }, config: { incremental_key: 'day' } }
  expect(await delivered('ties', request)).toBe(1)
  await bench.source(`INSERT INTO ties VALUES (2, '2024-05-01', 'same day'); UPDATE ties SET v = 'changed' WHERE id = 1`)
  expect(await delivered('ties', request)).toBe(2)
  expect(await bench.destination('SELECT id, v FROM ties ORDER BY id')).toEqual([
    { id: 1, v: 'changed' },
    { id: 2, v: 'same day' },
  ])
})

it('F24: with end_position a range is loaded and no position is kept', async () => {
  await bench.source('CREATE TABLE backfill (id bigint NOT NULL); INSERT INTO backfill SELECT generate_series(1, 10)')
  const range = { incremental_key: 'id', start_position: 3, end_position: 6, boundary_mode: 'start-end' }
  expect(await delivered('backfill', { config: range })).toBe(4)
  expect(await delivered('backfill', { config: range })).toBe(4)
  // An ordinary run afterwards begins at the beginning.
  expect(await delivered('backfill', { config: { incremental_key: 'id' } })).toBe(10)
  // And a backfill leaves the position of ordinary runs alone.
  expect(await delivered('backfill', { config: range })).toBe(4)
  expect(await delivered('backfill', { config: { incremental_key: 'id' } })).toBe(0)
})

it.each([
  ['start-end', [2, 3, 4]],
  ['start', [2, 3]],
  ['end', [3, 4]],
  ['between', [3]],
  [undefined, [3]],
])('F24: boundary_mode %s', async (mode, expected) => {
  const table = `bounds_${mode?.replace('-', '_') ?? 'absent'}`
  await bench.source('CREATE TABLE IF NOT EXISTS bounds AS SELECT generate_series(1, 5) AS id')
  const config = { incremental_key: 'id', start_position: 2, end_position: 4, ...(mode && { boundary_mode: mode }) }
  await delivered(table, { source: 'bounds', config })
  expect(await ids(table)).toEqual(expected)
})

it.each([
  ['stamped', 'timestamptz', ["'2024-01-01 00:00:00.000001+00'", "'2024-01-01 01:00:00.000002+01'"], "'2024-01-01 00:00:00.000003+00'"],
  ['wall', 'timestamp', ["'2024-03-31 02:30:00'", "'2024-03-31 02:30:00.5'"], "'2024-03-31 02:30:00.500001'"],
  ['big', 'bigint', ['9007199254740992', '9007199254740993'], '9007199254740994'],
  ['dated', 'date', ["'2024-02-28'", "'2024-02-29'"], "'2024-03-01'"],
  ['texts', 'text', ["'a'", "'b''\\n ü'"], "'c'"],
  ['exact', 'numeric(30,10)', ['1.0000000001', '12345678901234567890.0000000001'], '12345678901234567890.0000000002'],
])('F24: a %s cursor of type %s goes on behind its last value exactly', async (table, type, [first, second], third) => {
  await bench.source(`CREATE TABLE ${table} (id int, c ${type} NOT NULL); INSERT INTO ${table} VALUES (1, ${first}), (2, ${second})`)
  const config = { incremental_key: 'c' }
  expect(await delivered(table, { config })).toBe(2)
  expect(await delivered(table, { config })).toBe(0)
  await bench.source(`INSERT INTO ${table} VALUES (3, ${third})`)
  expect(await delivered(table, { config })).toBe(1)
  expect(await ids(table)).toEqual([1, 2, 3])
})

it('F24: an unknown incremental_key is refused by name', async () => {
  const answer = await load('events', { identity: 'no-key', config: { incremental_key: 'changed_at' } })
  expect(answer.status).toBe(422)
  expect(answer.body.message).toContain('changed_at')
})
