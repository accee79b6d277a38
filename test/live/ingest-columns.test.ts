import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { S3Double } from '../support/servers/s3-double.ts'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench
let s3: S3Double

beforeAll(async () => {
  bench = await workbench('columns')
  s3 = await S3Double.start()
  await bench.source(`
    CREATE TABLE people (id int PRIMARY KEY, name text, email text, phone bigint, born date, secret text NOT NULL);
    INSERT INTO people VALUES
      (1, 'Ada', 'a@example.com', 491701, '1990-02-03', 'x'), (2, 'Bo', NULL, NULL, NULL, 'y'),
      (3, 'Cy', 'a@example.com', 491701, '1990-02-03', 'z'), (4, 'Dü', 'ü@example.com', -5, '2001-01-01', 'ü'), (5, '', '', 0, NULL, '')`)
})
afterAll(async () => {
  await s3.stop()
  await bench.close()
})

const columnsOf = async (table: string) =>
  (
    await bench.destination(
      `SELECT name FROM system.columns WHERE database = '${bench.clickhouse}' AND table = '${table}' ORDER BY position`,
    )
  ).map(({ name }) => name)

it('F25: excluded columns are absent at the destination, the others keep their order', async () => {
  const column_rules = { exclude_columns: ['secret', 'phone'] }
  const answer = await bench.ingest({ identity: 'exclude', resources: [{ source_table_name: 'people', column_rules }] })
  expect(answer.status).toBe(200)
  expect(await columnsOf('people')).toEqual(['id', 'name', 'email', 'born'])
  expect(await bench.destination('SELECT count() AS n, sum(id) AS s FROM people')).toEqual([{ n: 5, s: 15 }])
})

it('F26: a pseudonymised column has 64 hex digits, equal for equal values, and NULL stays NULL', async () => {
  const column_rules = { pseudonymizing_columns: ['email', 'phone', 'born', 'secret'] }
  const resources = [{ source_table_name: 'people', destination_table_name: 'pseudonyms', column_rules }]
  expect((await bench.ingest({ identity: 'pseudonyms', resources })).status).toBe(200)
  const rows = await bench.destination('SELECT id, name, email, phone, born, secret FROM pseudonyms ORDER BY id')
  const sha = (text: string) => createHash('sha256').update(`${text}sluice`).digest('hex')
  expect(rows).toEqual([
    { id: 1, name: 'Ada', email: sha('a@example.com'), phone: sha('491701'), born: sha('1990-02-03'), secret: sha('x') },
    { id: 2, name: 'Bo', email: null, phone: null, born: null, secret: sha('y') },
    { id: 3, name: 'Cy', email: sha('a@example.com'), phone: sha('491701'), born: sha('1990-02-03'), secret: sha('z') },
    { id: 4, name: 'Dü', email: sha('ü@example.com'), phone: sha('-5'), born: sha('2001-01-01'), secret: sha('ü') },
    { id: 5, name: '', email: sha(''), phone: sha('0'), born: null, secret: sha('') },
  ])
})

it('F26: a CSV file and a Postgres table give equal pseudonyms for equal text, F25: and both leave columns out', async () => {
  s3.put(
    'files',
    'people.csv',
    'id,email,phone,born,secret\n1,a@example.com,491701,1990-02-03,x\n2,,,,y\n4,ü@example.com,-5,2001-01-01,ü\n',
  )
  const rules = { exclude_columns: ['secret'], pseudonymizing_columns: ['email', 'phone', 'born'] }
  const source_uri = `s3://files?access_key_id=AKIADOUBLE&access_key_secret=double/secret+key=&endpoint_url=${s3.url}`
  const csv = { source_table_name: 'people.csv', destination_table_name: 'from_csv', column_rules: rules }
  const fromCsv = await bench.ingest({ identity: 'csv', source_uri, resources: [csv] })
  expect(fromCsv.body).toMatchObject({ status: 'success' })
  expect(fromCsv.body.receipt.resources[0].lane).toMatch(/^records/)
  const table = { source_table_name: 'people', destination_table_name: 'from_table', column_rules: rules }
  expect((await bench.ingest({ identity: 'table', resources: [table] })).status).toBe(200)
  expect(await columnsOf('from_csv')).toEqual(['id', 'email', 'phone', 'born'])
  const select = (from: string) => bench.destination(`SELECT email, phone, born FROM ${from} WHERE id IN (1, 2, 4) ORDER BY id`)
  const pseudonyms = await select('from_csv')
  expect(pseudonyms).toEqual(await select('from_table'))
  expect(pseudonyms[0]?.email).toMatch(/^[0-9a-f]{64}$/)
  expect(pseudonyms[1]).toEqual({ email: null, phone: null, born: null })
})

it('rules that name no column are refused and name what there is', async () => {
  const column_rules = { exclude_columns: ['Secret'], pseudonymizing_columns: ['mail'] }
  const answer = await bench.ingest({
    identity: 'unknown',
    resources: [{ source_table_name: 'people', destination_table_name: 'none', column_rules }],
  })
  expect(answer.status).toBe(422)
  expect(answer.body.status).toBe('error')
  expect(answer.body.message).toContain('Secret')
  expect(await bench.tables()).not.toContain('none')
})
