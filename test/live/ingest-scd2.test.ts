import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench
const FOREVER = '9999-12-31 00:00:00.000000'

beforeAll(async () => {
  bench = await workbench('scd2')
})
afterAll(() => bench.close())

async function load(name: string, config: Record<string, unknown>) {
  const write_disposition_config = { type: 'merge', strategy: 'scd2', config }
  const answer = await bench.ingest({ identity: name, resources: [{ source_table_name: name, write_disposition_config }] })
  expect(answer.body).toMatchObject({ status: 'success' })
  return answer.body.receipt
}

interface Version {
  id: number
  v: string | null
  valid_from: string
  valid_to: string | null
}

const versions = (name: string) => bench.destination<Version>(`SELECT id, v, valid_from, valid_to FROM ${name} ORDER BY id, valid_from, v`)

it('F23: a change makes two rows and closes the old one when the new one begins; unchanged rows stay untouched', async () => {
  await bench.source(
    `CREATE TABLE customers (id int PRIMARY KEY, v text); INSERT INTO customers VALUES (1, 'Bonn'), (2, 'Kiel'), (3, NULL)`,
  )
  await load('customers', {})
  const first = await versions('customers')
  expect(first.map(({ id, v, valid_to }) => [id, v, valid_to])).toEqual([
    [1, 'Bonn', FOREVER],
    [2, 'Kiel', FOREVER],
    [3, null, FOREVER],
  ])

  // Absent rows are closed, changed ones versioned, new ones added.
  await bench.source(
    `UPDATE customers SET v = 'Trier' WHERE id = 2; DELETE FROM customers WHERE id = 3; INSERT INTO customers VALUES (4, 'Ulm')`,
  )
  const receipt = await load('customers', {})
  const second = await versions('customers')
  expect(second.map(({ id, v }) => [id, v])).toEqual([
    [1, 'Bonn'],
    [2, 'Kiel'],
    [2, 'Trier'],
    [3, null],
    [4, 'Ulm'],
  ])
  const [bonn, kiel, trier, gone, ulm] = second as [Version, Version, Version, Version, Version]
  expect(bonn).toEqual(first[0])
  expect(kiel.valid_from).toBe(first[1]?.valid_from)
  expect(kiel.valid_to).toBe(trier.valid_from)
  expect(gone.valid_to).toBe(trier.valid_from)
  expect([trier.valid_to, ulm.valid_to]).toEqual([FOREVER, FOREVER])
  // The moment of change is when the execution started.
  expect(new Date(`${trier.valid_from.replace(' ', 'T')}Z`).getTime()).toBe(new Date(receipt.started_at).getTime())
  expect(receipt.resources[0].rows).toMatchObject({ delivered: 3, found: 2, folded: 1, in_table: 5 })
})

it('F23: running again on the same data changes nothing', async () => {
  const before = await versions('customers')
  const receipt = await load('customers', {})
  expect(await versions('customers')).toEqual(before)
  expect(receipt.resources[0].rows).toMatchObject({ delivered: 3, found: 0, folded: 3, in_table: 5 })
})

it('F23: a row that comes back after it was closed gets a new version', async () => {
  await bench.source(`INSERT INTO customers VALUES (3, NULL)`)
  await load('customers', {})
  const third = (await versions('customers')).filter(({ id }) => id === 3)
  expect(third).toHaveLength(2)
  expect(third.map(({ valid_to }) => valid_to === FOREVER)).toEqual([false, true])
})

it('F23: with a natural_merge_key absent rows stay, changed ones are versioned', async () => {
  await bench.source(`CREATE TABLE natural_keys (id int PRIMARY KEY, v text); INSERT INTO natural_keys VALUES (1, 'a'), (2, 'b')`)
  await load('natural_keys', { natural_merge_key: 'id' })
  await bench.source(`DELETE FROM natural_keys WHERE id = 1; UPDATE natural_keys SET v = 'b2' WHERE id = 2`)
  await load('natural_keys', { scd2_config: { natural_merge_key: ['id'] } })
  expect((await versions('natural_keys')).map(({ id, v, valid_to }) => [id, v, valid_to === FOREVER])).toEqual([
    [1, 'a', true],
    [2, 'b', false],
    [2, 'b2', true],
  ])
})

it('F23: with a partition_merge_key absent rows are closed only in the partitions that the load brings', async () => {
  await bench.source(`CREATE TABLE parts (id int, v text, day date);
    INSERT INTO parts VALUES (1, 'a', '2024-01-01'), (2, 'b', '2024-01-01'), (3, 'c', '2024-01-02')`)
  await load('parts', { partition_merge_key: 'day' })
  await bench.source(`DELETE FROM parts WHERE id <> 1`)
  await load('parts', { partition_merge_key: 'day' })
  expect((await versions('parts')).map(({ id, valid_to }) => [id, valid_to === FOREVER])).toEqual([
    [1, true],
    [2, false],
    [3, true],
  ])
})

it('F23: validity columns, the active mark and the boundary can be chosen', async () => {
  await bench.source(`CREATE TABLE chosen (id int, v text); INSERT INTO chosen VALUES (1, 'a')`)
  const config = { validity_column_names: ['since', 'until'], active_record_timestamp: null }
  await load('chosen', { ...config, boundary_timestamp: '2024-01-01T10:00:00+02:00' })
  await bench.source(`UPDATE chosen SET v = 'b'`)
  await load('chosen', { ...config, boundary_timestamp: '2024-06-01' })
  expect(await bench.destination('SELECT v, since, until FROM chosen ORDER BY since')).toEqual([
    { v: 'a', since: '2024-01-01 08:00:00.000000', until: '2024-06-01 00:00:00.000000' },
    { v: 'b', since: '2024-06-01 00:00:00.000000', until: null },
  ])
})
