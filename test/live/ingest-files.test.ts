import { gzipSync, zstdCompressSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { S3Double } from '../support/servers/s3-double.ts'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench
let s3: S3Double
/** In the order of the page, with the slash and plus of a real secret pasted as they are. */
let source_uri: string

const CSV = 'id,name,price,day,ok\n1,"Ada, ""A""",1.50,2024-01-31,true\n2,"two\nlines",,2024-02-29,false\n3,ü,-0.25,,\n'
const ROWS = [
  { id: 1, name: 'Ada, "A"', price: 1.5, day: '2024-01-31', ok: true },
  { id: 2, name: 'two\nlines', price: null, day: '2024-02-29', ok: false },
  { id: 3, name: 'ü', price: -0.25, day: null, ok: null },
]
const JSONL = ROWS.map((row) => `${JSON.stringify(row)}\n`).join('')

beforeAll(async () => {
  bench = await workbench('files')
  s3 = await S3Double.start()
  source_uri = `s3://lake?access_key_id=AKIADOUBLE&access_key_secret=double/secret+key=&region=us-east-1&endpoint_url=${s3.url}`
})
afterAll(async () => {
  await s3.stop()
  await bench.close()
})

async function load(source_table_name: string, destination_table_name?: string) {
  return await bench.ingest({
    identity: source_table_name,
    source_uri,
    resources: [{ source_table_name, ...(destination_table_name && { destination_table_name }) }],
  })
}

const read = (table: string) => bench.destination(`SELECT id, name, toFloat64(price) AS price, day, ok FROM ${table} ORDER BY id`)

describe('F27: files in a bucket by suffix', () => {
  const files: [string, () => Uint8Array | string][] = [
    ['data/plain.csv', () => CSV],
    ['data/packed.csv.gz', () => gzipSync(CSV)],
    ['data/squeezed.CSV.zst', () => zstdCompressSync(CSV)],
    ['data/lines.jsonl', () => JSONL],
    ['data/lines_packed.jsonl.gz', () => gzipSync(JSONL)],
    ['data/lines_squeezed.ndjson.zst', () => zstdCompressSync(JSONL)],
  ]
  it.each(files)('%s', async (key, body) => {
    s3.put('lake', key, body())
    const answer = await load(key)
    expect(answer.body).toMatchObject({ status: 'success' })
    // F9: without another name the table is named as its source, which for a file is its whole path.
    expect(await read(`\`${key}\``)).toEqual(ROWS)
    expect(answer.body.receipt.resources[0]).toMatchObject({
      lane: expect.stringContaining('nothing is parsed'),
      consistency: 'object',
      rows: { delivered: 3, found: 3, in_table: 3 },
    })
  })

  it('data/columns.parquet', async () => {
    const columnData = [
      { name: 'id', data: [1, 2, 3], type: 'INT32' as const },
      { name: 'name', data: ROWS.map(({ name }) => name), type: 'STRING' as const },
      { name: 'price', data: ROWS.map(({ price }) => price), type: 'DOUBLE' as const },
      { name: 'ok', data: ROWS.map(({ ok }) => ok), type: 'BOOLEAN' as const },
      { name: 'at', data: [new Date('2024-01-31T10:00:00.123Z'), null, new Date(0)], type: 'TIMESTAMP' as const },
      { name: 'big', data: [2n ** 63n - 1n, -(2n ** 63n), null], type: 'INT64' as const },
    ]
    s3.put('lake', 'data/columns.parquet', new Uint8Array(parquetWriteBuffer({ columnData })))
    const answer = await load('data/columns.parquet', 'columns')
    expect(answer.body).toMatchObject({ status: 'success' })
    expect(answer.body.receipt.resources[0]).toMatchObject({ rows: { read: 3, delivered: 3, found: 3 } })
    expect(
      await bench.destination('SELECT id, name, price, ok, toString(at) AS at, toString(big) AS big FROM columns ORDER BY id'),
    ).toEqual(
      ROWS.map(({ id, name, price, ok }, row) => ({
        id,
        name,
        price,
        ok,
        at: ['2024-01-31 10:00:00.123', null, '1970-01-01 00:00:00.000'][row],
        big: ['9223372036854775807', '-9223372036854775808', null][row],
      })),
    )
  })
})

it('F27: several files by a glob make one table, also when one of them has another order of columns', async () => {
  s3.put('lake', 'months/2024-01/a.csv', 'id,name\n1,one\n2,two\n')
  s3.put('lake', 'months/2024-01/b.csv', 'id,name\n3,three\n')
  s3.put('lake', 'months/2024-02/a.csv', 'name,id\nfour,4\n')
  s3.put('lake', 'months/2024-02/notes.txt', 'not a table')
  s3.put('lake', 'monthsold/x.csv', 'id,name\n99,other\n')
  const answer = await load('months/**/*.csv', 'months')
  expect(answer.body).toMatchObject({ status: 'success' })
  expect(answer.body.receipt.resources[0].chunks).toEqual({ done: 3, total: 3, all_planned: true })
  expect(await bench.destination('SELECT id, name FROM months ORDER BY id')).toEqual([
    { id: 1, name: 'one' },
    { id: 2, name: 'two' },
    { id: 3, name: 'three' },
    { id: 4, name: 'four' },
  ])
})

it('F27: the bucket may also stand before the key, and endpoint_url names the store that is asked', async () => {
  s3.put('second', 'inner/table.csv', 'id\n5\n')
  const before = s3.requests.length
  const answer = await bench.ingest({
    identity: 'bucket-in-table',
    source_uri: `s3://?endpoint_url=${encodeURIComponent(s3.url)}&secret_access_key=double%2Fsecret%2Bkey%3D&access_key_id=AKIADOUBLE`,
    resources: [{ source_table_name: 'second/inner/table.csv', destination_table_name: 'second' }],
  })
  expect(answer.body).toMatchObject({ status: 'success' })
  expect(await bench.destination('SELECT * FROM second')).toEqual([{ id: 5 }])
  const asked = s3.requests.slice(before)
  expect(asked.length).toBeGreaterThan(0)
  expect(asked.every(({ bucket }) => bucket === 'second')).toBe(true)
})

it('F28: another suffix is an error that names the accepted ones', async () => {
  s3.put('lake', 'book.xlsx', 'PK')
  const tables = await bench.tables()
  const answer = await load('book.xlsx')
  expect(answer.status).toBe(422)
  expect(answer.body.status).toBe('error')
  for (const part of ['book.xlsx', '.csv', '.jsonl', '.parquet']) expect(answer.body.message).toContain(part)
  expect(answer.body.failed[0].fault).toMatchObject({ tag: 'unsupported', place: { side: 'source', system: 's3', resource: 'book.xlsx' } })
  expect(await bench.tables()).toEqual(tables)
})

it('a new upload of the same key replaces the table, and rows of both sides are counted', async () => {
  s3.put('lake', 'again.csv', 'id\n1\n2\n')
  await load('again.csv')
  s3.put('lake', 'again.csv', 'id\n3\n')
  const answer = await load('again.csv')
  expect(answer.body.receipt.resources[0].rows).toEqual({ read: 1, delivered: 1, found: 1, folded: 0, in_table: 1 })
  expect(await bench.destination('SELECT id FROM `again.csv`')).toEqual([{ id: 3 }])
})
