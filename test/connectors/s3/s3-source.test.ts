import { gzipSync, zstdCompressSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { s3 } from '../../../src/connectors/s3/connector.ts'
import type { Source } from '../../../src/core/connector.ts'
import { explain, faultOf } from '../../../src/core/errors.ts'
import { typeName } from '../../../src/core/schema.ts'
import { type NodeIo, nodeIo } from '../../support/node-io.ts'
import { S3_DOUBLE_IDENTITY, S3Double } from '../../support/servers/s3-double.ts'
import { all, collect, describe, readTable } from '../shared/file-table.ts'

let store: S3Double
let io: NodeIo
beforeEach(async () => {
  store = await S3Double.start()
  store.put('lake', 'other/unused.txt', 'x')
  io = nodeIo()
})
afterEach(() => store.stop())

const uri = (over: Record<string, string> = {}, bucket = 'lake') => {
  const options = new Map(
    Object.entries({
      access_key_id: S3_DOUBLE_IDENTITY.accessKeyId,
      access_key_secret: S3_DOUBLE_IDENTITY.secretAccessKey,
      endpoint_url: store.url,
      ...over,
    }),
  )
  return `s3://${bucket}?${[...options].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`
}
const open = (over: Record<string, string> = {}, bucket?: string): Source => openUri(uri(over, bucket))
const openUri = (given: string): Source => {
  const source = s3.openSource?.(s3.fromUri(given), io)
  if (!source) throw new Error('no source')
  return source
}
const types = (description: { schema: { fields: { name: string; type: Parameters<typeof typeName>[0] }[] } }) =>
  Object.fromEntries(description.schema.fields.map((field) => [field.name, typeName(field.type)]))
const failure = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (error === undefined) throw new Error('it should have failed')
  return { fault: faultOf(error), text: explain(faultOf(error)) }
}

const PEOPLE = 'id,name,born,score\n1,"Ada, Countess",1815-12-10,1.5\n2,"says ""hi""\nand more",1906-12-09,\n3,,1912-06-23,2\n'
const PEOPLE_1900 = PEOPLE.replace('1815', '1915')

test('F27: a .csv object is described and read the same on both lanes', async () => {
  store.put('lake', 'users/data/dump.csv', PEOPLE_1900)
  const source = open()
  const description = await describe(source, 'users/data/dump.csv')
  expect(types(description)).toEqual({ id: 'int64', name: 'string', born: 'date', score: 'float64' })
  expect([description.defaultTable, description.estimatedBytes, description.consistency]).toEqual([
    'users/data/dump.csv',
    PEOPLE_1900.length,
    'object',
  ])
  const bytes = await readTable(source, description, 'bytes')
  const records = await readTable(source, description, 'records')
  expect(bytes.rows).toEqual([
    [1n, 'Ada, Countess', '1915-12-10', 1.5],
    [2n, 'says "hi"\nand more', '1906-12-09', null],
    [3n, null, '1912-06-23', 2],
  ])
  expect(records.rows).toEqual(bytes.rows)
  expect([bytes.counted, records.counted]).toEqual([[3], [3]])
})

test('F27: .jsonl and .parquet objects, whatever the case of the suffix', async () => {
  store.put('lake', 'a.JSONL', '{"id":9007199254740993,"tags":["x", 1.10],"at":"2024-01-02T03:04:05Z"}\n\n{"id":2,"extra":true}\n')
  const source = open()
  const lines = await describe(source, 'a.JSONL')
  expect(types(lines)).toEqual({ id: 'int64', tags: 'json', at: 'timestamptz(6)', extra: 'boolean' })
  const expected = [
    [9007199254740993n, '["x", 1.10]', '2024-01-02 03:04:05+00', null],
    [2n, null, null, true],
  ]
  expect((await readTable(source, lines, 'records')).rows).toEqual(expected)
  const passed = await readTable(source, lines, 'bytes')
  expect([passed.rows, passed.counted]).toEqual([expected, [2]])

  const file = new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'n', data: [1n, 2n, 3n], type: 'INT64' }] }))
  store.put('lake', 'b.Parquet', file)
  const parquet = await describe(source, 'b.Parquet')
  expect([types(parquet), parquet.estimatedRows, parquet.estimatedBytes]).toEqual([{ n: 'int64' }, 3, file.length])
  expect((await readTable(source, parquet, 'records')).rows).toEqual([[1n], [2n], [3n]])
  const chunk = (await all(source.plan(parquet, 10)))[0]
  if (!chunk || !parquet.emits[0]) throw new Error('no chunk')
  const payload = await source.read(parquet, chunk, parquet.emits[0], { pseudonymSalt: '' })
  if (payload.via !== 'bytes') throw new Error('not bytes')
  expect(Buffer.compare(await collect(payload.body), file)).toBe(0)
  expect(await payload.completed).toEqual({ bytes: file.length, rows: 3 })
})

test('F28: another suffix is an error that names the accepted ones', async () => {
  store.put('lake', 'book.xlsx', 'PK')
  const { fault, text } = await failure(describe(open(), 'book.xlsx'))
  expect(fault.tag).toBe('unsupported')
  expect(text).toMatch(/book\.xlsx.*\.csv, \.tsv, \.jsonl, \.ndjson, \.parquet/)
})

test('gzip and zstd files pass through compressed, and decode on the record lane', async () => {
  store.put('lake', 'a.csv.gz', Buffer.concat([gzipSync('id,v\n1,a\n'), gzipSync('2,b\n')]))
  store.put('lake', 'b.jsonl.zst', zstdCompressSync('{"id":1}\n{"id":2}\n'))
  const source = open()
  for (const [key, rows] of [
    [
      'a.csv.gz',
      [
        [1n, 'a'],
        [2n, 'b'],
      ],
    ],
    ['b.jsonl.zst', [[1n], [2n]]],
  ] as const) {
    const description = await describe(source, key)
    const passed = await readTable(source, description, 'bytes')
    expect([passed.rows, passed.counted]).toEqual([rows, [undefined]])
    expect((await readTable(source, description, 'records')).rows).toEqual(rows)
  }
})

test('a pattern reads all its files; columns bind by header name, in any order; markers are left out', async () => {
  store.put('lake', 'd/1.csv', 'id,v\n1,a\n')
  store.put('lake', 'd/2.csv', '\ufeffv,id\r\nb,2\r\n')
  store.put('lake', 'd/_SUCCESS', '')
  store.put('lake', 'd/sub/3.csv', 'id,v\n3,c\n')
  const source = open()
  const description = await describe(source, 'd/*')
  for (const lane of ['bytes', 'records'] as const) {
    expect((await readTable(source, description, lane)).rows).toEqual([
      [1n, 'a'],
      [2n, 'b'],
    ])
  }
  expect((await readTable(source, await describe(source, 'd/**/*.csv'), 'bytes')).counted).toEqual([1, 1, 1])
})

test('files of one pattern with other columns, or of other formats, are a fault that says which', async () => {
  store.put('lake', 'd/1.csv', 'id,v\n1,a\n')
  store.put('lake', 'd/2.csv', 'id,w\n1,a\n')
  expect((await failure(describe(open(), 'd/*'))).text).toMatch(/"d\/2\.csv".*|lacks "v".*/)
  store.put('lake', 'd/3.jsonl', '{}')
  expect((await failure(describe(open(), 'd/*'))).text).toMatch(/"d\/1\.csv" and "d\/3\.jsonl" have different formats/)
})

test('a listing of several pages with odd characters in its keys is complete', async () => {
  const keys = Array.from({ length: 2300 }, (_, index) => `p/${String(index).padStart(5, '0')} +&%é'(x)=.csv`)
  for (const key of keys) store.put('lake', key, 'a\n1\n')
  const source = open({ infer: 'text' })
  const description = await describe(source, 'p/*=.csv')
  const planned = await all(source.plan(description, 1000))
  expect(planned.map((chunk) => (chunk.slice as { object: { key: string } }).object.key)).toEqual(keys)
  expect(new Set(planned.map((chunk) => chunk.id)).size).toBe(2300)
  expect(JSON.stringify(description.details).length).toBeLessThan(1000)
  const last = planned.at(-1)
  if (!last || !description.emits[0]) throw new Error('no chunk')
  const payload = await source.read(description, last, description.emits[0], { pseudonymSalt: '' })
  if (payload.via !== 'bytes') throw new Error('not bytes')
  expect(Buffer.from(await collect(payload.body)).toString()).toBe('"a"\n1\n')
})

test('a key with wildcard characters that exists wins over its reading as a pattern', async () => {
  store.put('lake', 'r[1].csv', 'a\n1\n')
  store.put('lake', 'r1.csv', 'a\n1\n2\n')
  const source = open()
  expect((await readTable(source, await describe(source, 'r[1].csv'), 'bytes')).counted).toEqual([1])
  store.objects.bucket('lake').delete('r[1].csv')
  expect((await readTable(source, await describe(source, 'r[1].csv'), 'bytes')).counted).toEqual([2])
})

test('the bucket may come with the table, as in s3://?…', async () => {
  store.put('lake', 'a/x.csv', 'id\n7\n')
  const source = open({}, '')
  const description = await describe(source, 'lake/a/*.csv')
  expect((await readTable(source, description, 'bytes')).rows).toEqual([[7n]])
  expect(description.defaultTable).toBe('lake/a/*.csv')
})

test('public buckets are read without a key', async () => {
  const public_ = await S3Double.start({ anonymous: true })
  public_.put('lake', 'x.csv', 'id\n7\n')
  const source = openUri(`s3://lake?endpoint_url=${public_.url}`)
  expect((await readTable(source, await describe(source, 'x.csv'), 'bytes')).rows).toEqual([[7n]])
  await public_.stop()
  expect((await failure(openUri(`s3://lake?endpoint_url=${store.url}`).check())).text).toMatch(/not public/)
})

test('faults are told apart: bucket, key, pattern, key id, secret, region, throttling, and none shows a secret', async () => {
  store.put('lake', 'x.csv', 'id\n7\n')
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    ['missing', () => describe(open({}, 'nolake'), 'x.csv'), /bucket does not exist/],
    ['missing', () => describe(open(), 'y.csv'), /object does not exist.*"y\.csv"/],
    ['missing', () => describe(open(), 'y*.csv'), /No object matches/],
    ['denied', () => describe(open({ access_key_id: 'AKIAWRONG' }), 'x.csv'), /access key id/],
    ['denied', () => describe(open({ access_key_secret: 'wrong+secret/%' }), 'x.csv'), /secret does not belong/],
    ['invalid-request', () => describe(open({ region: 'eu-central-1' }), 'x.csv'), /region=us-east-1/],
  ]
  for (const [tag, work, expected] of cases) {
    const { fault, text } = await failure(work())
    expect([fault.tag, text]).toEqual([tag, expect.stringMatching(expected)])
    expect(text).not.toMatch(/wrong\+secret|double\/secret/)
  }
  store.faults.push({
    when: () => true,
    times: 2,
    does: { type: 'answer', status: 503, code: 'SlowDown', headers: { 'retry-after': '7' } },
  })
  expect((await failure(describe(open(), 'x.csv'))).fault).toMatchObject({ tag: 'throttled', retryAfterSeconds: 7 })
})

test('a clock that is off by more than 15 minutes is named', async () => {
  const late = await S3Double.start({ nowMs: () => Date.now() + 3_600_000 })
  late.put('lake', 'x.csv', 'id\n7\n')
  const source = open({ endpoint_url: late.url })
  expect((await failure(describe(source, 'x.csv'))).text).toMatch(/clocks/)
  await late.stop()
})

test('check passes with a good key and fails with a bad one', async () => {
  await open().check()
  await open({}, '').check()
  expect((await failure(open({ access_key_secret: 'no' }).check())).fault.tag).toBe('denied')
})

test('a transfer cut short is a fault on both lanes, never a shorter table', async () => {
  store.put('lake', 'x.csv', `id\n${'1\n'.repeat(300_000)}`)
  const source = open()
  const description = await describe(source, 'x.csv')
  for (const lane of ['bytes', 'records'] as const) {
    store.faults.push({ when: ({ method }) => method === 'GET', times: 1, does: { type: 'truncate', afterBytes: 300_000 } })
    expect((await failure(readTable(source, description, lane))).fault.tag).toBe('unreachable')
  }
})

test('an object that changed since it was described is refused', async () => {
  store.put('lake', 'x.csv', 'id\n7\n')
  const source = open()
  const description = await describe(source, 'x.csv')
  store.put('lake', 'x.csv', 'id\n8\n')
  const { fault, text } = await failure(readTable(source, description, 'bytes'))
  expect(fault).toMatchObject({ tag: 'rejected', code: 'object-changed' })
  expect(text).toMatch(/changed while/)
})

test('cancel stops a stalled transfer at once, on both lanes, and says so', async () => {
  store.put('lake', 'x.csv', `id\n${'1\n'.repeat(300_000)}`)
  const source = open()
  const description = await describe(source, 'x.csv')
  for (const lane of description.emits) {
    store.faults.push({ when: ({ method }) => method === 'GET', times: 1, does: { type: 'stall', afterBytes: 200_000 } })
    const chunk = (await all(source.plan(description, Number.POSITIVE_INFINITY)))[0]
    if (!chunk) throw new Error('no chunk')
    const payload = await source.read(description, chunk, lane, { pseudonymSalt: '' })
    const reading = payload.via === 'bytes' ? collect(payload.body) : all(payload.batches)
    reading.catch(() => {})
    setTimeout(() => payload.cancel(), 50)
    expect((await failure(payload.completed)).fault.tag).toBe('cancelled')
    await expect(reading).rejects.toThrow()
    payload.cancel()
  }
})

test('the abort signal of the execution stops a transfer too', async () => {
  store.put('lake', 'x.csv', `id\n${'1\n'.repeat(300_000)}`)
  const source = open()
  const description = await describe(source, 'x.csv')
  store.faults.push({ when: ({ method }) => method === 'GET', times: 1, does: { type: 'stall', afterBytes: 200_000 } })
  setTimeout(() => io.abort(), 50)
  expect((await failure(readTable(source, description, 'bytes'))).fault.tag).toBe('cancelled')
})

test('a cursor on files is refused with a way out', async () => {
  store.put('lake', 'x.csv', 'id\n7\n')
  const cursor = { column: 'id', startInclusive: true, endInclusive: true }
  expect((await failure(open().describe({ stream: 'x.csv', rules: { exclude: [], pseudonymize: [] }, cursor }))).fault.tag).toBe(
    'unsupported',
  )
})
