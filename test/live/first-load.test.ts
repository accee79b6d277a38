import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = await workbench('first')
  await bench.source(`
    CREATE TABLE users (id int PRIMARY KEY, name text, email text, created_at timestamptz NOT NULL DEFAULT now());
    INSERT INTO users SELECT g, 'user ' || g, CASE WHEN g % 7 = 0 THEN NULL ELSE g || '@example.com' END FROM generate_series(1, 5000) g;
    CREATE TABLE products (sku text PRIMARY KEY, price numeric(10,2));
    INSERT INTO products SELECT 'sku-' || g, g / 3.0 FROM generate_series(1, 300) g`)
})
afterAll(() => bench.close())

it('F1: the corrected example of the page moves users and answers when it is done', async () => {
  const answer = await bench.ingest({ identity: 'fgXOw4zY', resources: [{ source_table_name: 'users' }] })
  expect(answer.body).toMatchObject({ status: 'success', pipeline_name: 'fgXOw4zY', message: 'Data Ingestion is completed successfully' })
  expect(answer.status).toBe(200)
  expect(await bench.destination('SELECT count() AS n, sum(id) AS s, countIf(email IS NULL) AS nulls FROM users')).toEqual([
    { n: 5000, s: 12502500, nulls: 714 },
  ])
  expect(await bench.tables()).toEqual(['users'])
})

it('F11: two resources are loaded in one call, F10: under their destination names, and the source names are absent', async () => {
  const answer = await bench.ingest({
    identity: 'two',
    resources: [
      { source_table_name: 'users', destination_table_name: 'dw_users' },
      { source_table_name: 'products', destination_table_name: 'dw_products' },
    ],
  })
  expect(answer.status).toBe(200)
  expect(await bench.tables()).toEqual(['dw_products', 'dw_users', 'users'])
  expect(await bench.destination('SELECT count() AS n, sum(price) AS s FROM dw_products')).toEqual([{ n: 300, s: 15050 }])
})

it('F16: posting the same request again changes nothing, F9: the table is named as its source', async () => {
  for (const _ of [1, 2]) {
    expect((await bench.ingest({ identity: 'again', resources: [{ source_table_name: 'products' }] })).status).toBe(200)
    expect(await bench.destination('SELECT count() AS n FROM products')).toEqual([{ n: 300 }])
  }
})
