import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench
/** A second ClickHouse database that no test creates: loads must. */
let other: string

beforeAll(async () => {
  bench = await workbench('names')
  other = `${bench.clickhouse}_made`
  await bench.source(`
    CREATE TABLE users (id int PRIMARY KEY, name text);
    INSERT INTO users SELECT g, 'user ' || g FROM generate_series(1, 100) g;
    CREATE SCHEMA sales;
    CREATE TABLE sales.orders (id bigint PRIMARY KEY, total numeric(12,2) NOT NULL);
    INSERT INTO sales.orders SELECT g, g * 1.25 FROM generate_series(1, 40) g`)
})
afterAll(async () => {
  for (const name of [other, `${other}_2`]) await clickhouse(`DROP DATABASE IF EXISTS ${name} SYNC`)
  await bench.close()
})

async function clickhouse(sql: string): Promise<string> {
  const response = await fetch(inject('clickhouse').url, { method: 'POST', body: sql })
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  return text.trimEnd()
}

const users = [{ source_table_name: 'users' }]

it('F12: dataset_name names the ClickHouse database, which is created when it is missing', async () => {
  const answer = await bench.ingest({ identity: 'dataset-name', dataset_name: other, resources: users })
  expect(answer.body).toMatchObject({ status: 'success' })
  expect(await clickhouse(`SELECT count(), sum(id) FROM ${other}.users`)).toBe('100\t5050')
  expect(await clickhouse(`SELECT engine FROM system.databases WHERE name = '${other}'`)).toBe('Atomic')
  expect(answer.body.receipt.resources[0].statements[0]).toMatch(/^CREATE DATABASE/)
  // Nothing went to the database that the URI names.
  expect(await bench.tables()).toEqual([])
})

it('F13: dataset alone does the same', async () => {
  const answer = await bench.ingest({ identity: 'dataset', dataset: `${other}_2`, resources: users })
  expect(answer.status).toBe(200)
  expect(await clickhouse(`SELECT count() FROM ${other}_2.users`)).toBe('100')
})

it('F14: dataset and dataset_name that differ are refused before anything happens', async () => {
  const answer = await bench.ingest({ identity: 'both', dataset: 'a_db', dataset_name: 'b_db', resources: users })
  expect(answer.status).toBe(422)
  expect(answer.body.errors.dataset).toHaveLength(1)
  expect(await clickhouse("SELECT count() FROM system.databases WHERE name IN ('a_db', 'b_db')")).toBe('0')
})

it('F15: without either, the database of the destination URI is used (the ClickHouse default)', async () => {
  expect((await bench.ingest({ identity: 'uri-database', resources: users })).status).toBe(200)
  expect(await bench.tables()).toEqual(['users'])
})

it('F9: a table is named as its source when no other name is given, also with a schema before it', async () => {
  expect((await bench.ingest({ identity: 'schema', resources: [{ source_table_name: 'sales.orders' }] })).status).toBe(200)
  const tables = await bench.tables()
  const answer = await bench.get('/ingest/schema/observe')
  expect(tables).toEqual(['orders', 'users'])
  expect(answer.body.metrics.load.resource_metrics).toMatchObject([{ name: 'orders' }])
  expect(await bench.destination('SELECT count() AS n, toString(sum(total)) AS s FROM orders')).toEqual([{ n: 40, s: '1025' }])
})

it('F10: a destination name is used as it stands, and the source name is absent', async () => {
  const answer = await bench.ingest({
    identity: 'renamed',
    resources: [{ source_table_name: 'users', destination_table_name: 'Dw Users (copy)' }],
  })
  expect(answer.status).toBe(200)
  expect(await bench.destination('SELECT count() AS n FROM "Dw Users (copy)"')).toEqual([{ n: 100 }])
})

it('F17: appending twice doubles the rows', async () => {
  const append = {
    identity: 'append',
    resources: [{ source_table_name: 'users', destination_table_name: 'appended', write_disposition_config: { type: 'append' } }],
  }
  for (const times of [1, 2]) {
    const answer = await bench.ingest(append)
    expect(answer.status).toBe(200)
    expect(answer.body.receipt.resources[0].rows).toEqual({ read: 100, delivered: 100, found: 100, folded: 0, in_table: 100 * times })
    expect(await bench.destination('SELECT count() AS n, uniqExact(id) AS keys FROM appended')).toEqual([{ n: 100 * times, keys: 100 }])
  }
})

it('F35: secure=0 and http_port go to the HTTP interface, whatever the native port says', async () => {
  const { port } = inject('clickhouse')
  // Nothing listens on the native port 1.
  const destination_uri = `clickhouse://sluice:pass-word@127.0.0.1:1/${bench.clickhouse}?secure=0&http_port=${port}`
  const answer = await bench.ingest({ identity: 'ports', destination_uri, resources: users })
  expect(answer.status).toBe(200)
  expect(answer.body.receipt.destination).toEqual({ system: 'clickhouse', address: `http://127.0.0.1:${port}` })
})

it('F37: /ferry is the same API as /ingest, its status addresses included', async () => {
  const body = {
    identity: 'ferry',
    source_uri: bench.sourceUri,
    destination_uri: bench.destinationUri,
    resources: [{ source_table_name: 'users', destination_table_name: 'ferried' }],
  }
  const answer = await bench.post('/ferry', body)
  expect(answer.status).toBe(200)
  expect(answer.body).toMatchObject({ status: 'success', pipeline_name: 'ferry' })
  expect(await bench.destination('SELECT count() AS n FROM ferried')).toEqual([{ n: 100 }])
  const id = answer.body.execution_id
  expect(new URL(answer.headers.get('content-location') ?? '').pathname).toBe(`/ferry/executions/${id}`)
  const seen = await Promise.all(['/ferry', '/ingest'].map(async (prefix) => (await bench.get(`${prefix}/executions/${id}`)).body))
  expect(seen[0]).toEqual(seen[1])
  const observed = await Promise.all(['/ferry', '/ingest'].map(async (prefix) => (await bench.get(`${prefix}/ferry/observe`)).body))
  expect(observed[0]).toEqual(observed[1])
  expect(observed[0].status).toBe('completed')
})
