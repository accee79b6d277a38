import { gzipSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { S3Double } from '../support/servers/s3-double.ts'
import { type Refusal, refusedAndAsBefore } from './refused.ts'
import { s3Uri } from './s3-uri.ts'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench
let store: S3Double
beforeAll(async () => {
  ;[bench, store] = await Promise.all([workbench('files'), S3Double.start()])
})
afterAll(async () => {
  await store.stop()
  await bench.close()
})

const load = (key: string, body?: string | Uint8Array, options: Record<string, string> = {}) => {
  if (body !== undefined) store.put('lake', key, body)
  return bench.ingest({
    identity: 'files',
    source_uri: s3Uri(store, options),
    resources: [{ source_table_name: key, destination_table_name: 'data' }],
  })
}

async function loads(key: string, body: string | Uint8Array, rows: unknown[], options?: Record<string, string>): Promise<void> {
  const answer = await load(key, body, options)
  expect([key, answer.status, answer.body.failed ?? []]).toEqual([key, 200, []])
  expect(await bench.destination('SELECT * FROM data ORDER BY 1')).toEqual(rows)
  await drop()
}

/** Types are inferred anew per file, so each starts without a table. */
async function drop(): Promise<void> {
  const answer = await fetch(`${inject('clickhouse').url}/?database=${bench.clickhouse}`, {
    method: 'POST',
    body: 'DROP TABLE IF EXISTS data SYNC',
  })
  if (!answer.ok) throw new Error(await answer.text())
}

async function refused(
  key: string,
  body: string | Uint8Array,
  expected: Omit<Refusal, 'status' | 'tag' | 'side' | 'place'> & Partial<Refusal>,
  options?: Record<string, string>,
): Promise<void> {
  await refusedAndAsBefore(bench, () => load(key, body, options), {
    status: 422,
    tag: 'bad-data',
    side: 'source',
    place: [key],
    ...expected,
  })
}

it('an empty CSV is refused, and a CSV of a header alone makes an empty table', async () => {
  await refused('empty.csv', '', { cause: /is empty/, remedy: /header/ })
  const answer = await load('header.csv', 'id,name\n', { header: 'true' })
  expect([answer.status, answer.body.failed ?? []]).toEqual([200, []])
  expect(
    await bench.destination("SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'data' ORDER BY position"),
  ).toEqual([{ name: 'id' }, { name: 'name' }])
  expect(await bench.destination('SELECT toString(count()) AS n FROM data')).toEqual([{ n: '0' }])
  await drop()
})

it('ragged rows are refused with the number of the record', async () => {
  await refused('ragged.csv', 'id,name\n1,a\n2,b,c\n3,d\n', {
    cause: /3 fields where 2 are expected/,
    place: ['ragged.csv', 'record 2'],
    remedy: /delimiter/,
  })
  await refused('short.csv', 'id,name\n1,a\n2\n3,d\n', {
    cause: /1 fields? where 2 are expected/,
    place: ['short.csv', 'record 2'],
    remedy: /delimiter/,
  })
})

it('bytes that are no UTF-8 are refused, and read when the encoding is named', async () => {
  const latin = Buffer.from('id,name\n1,caf\xe9\n', 'latin1')
  await refused('latin.csv', latin, { cause: /not valid UTF-8/, remedy: /encoding=windows-1252/ })
  await loads('latin.csv', latin, [{ id: 1, name: 'café' }], { encoding: 'windows-1252' })
})

it('a byte order mark, CRLF, UTF-16 and a quoted header are read as what they mean', async () => {
  const rows = [
    { id: 1, name: 'a' },
    { id: 2, name: 'é,\r\n"x"' },
  ]
  const text = 'id,"name"\n1,a\n2,"é,\r\n""x"""\n'
  await loads('bom.csv', `\ufeff${text}`, rows)
  await loads('crlf.csv', text.replace(/(?<!\r)\n/g, '\r\n'), rows)
  await loads('utf16.csv', Buffer.from(`\ufeff${text}`, 'utf16le'), rows)
  await loads('utf16be.csv', Buffer.from(`\ufeff${text}`, 'utf16le').swap16(), rows)
  await loads('bom.csv.gz', gzipSync(`\ufeff${text}`), rows)
})

it('repeated and empty names in a header become distinct ones, and that is said', async () => {
  const answer = await load('twice.csv', 'id,name,name,\n1,a,b,c\n')
  expect(answer.status).toBe(200)
  expect(await bench.destination('SELECT * FROM data')).toEqual([{ id: 1, name: 'a', name_2: 'b', column4: 'c' }])
  expect(answer.body.receipt.resources[0].notes.join(' ')).toMatch(/"name" of column 3 became "name_2"/)
  await drop()
})

it('a quote that is never closed, lone carriage returns and damaged gzip are refused', async () => {
  await refused('open.csv', 'id,name\n1,"never closed\n2,b\n', { cause: /quote/, remedy: /./ })
  await refused('mac.csv', 'id,name\r1,a\r2,b\r', { cause: /lone carriage return/, remedy: /LF or CRLF/ })
  await refused('cut.csv.gz', gzipSync('id,name\n1,a\n'.repeat(10_000)).subarray(0, 60), {
    cause: /gzip data (ends early|is damaged)/,
    remedy: /gzip -t/,
  })
  await refused('no.csv.gz', 'id,name\n1,a\n', { cause: /gzip data/, remedy: /gzip -t/ })
})

it('a broken line of JSONL is refused with its number, and so is a line that is no object', async () => {
  await refused('broken.jsonl', '{"id":1}\n{"id":2\n{"id":3}\n', {
    cause: /line is no JSON/,
    place: ['broken.jsonl', 'record 2'],
    remedy: /one complete JSON object per line/,
  })
  await refused('array.jsonl', '{"id":1}\n[1,2]\n', {
    cause: /no JSON object/,
    place: ['array.jsonl', 'record 2'],
    remedy: /columns as its keys/,
  })
  await refused('empty.jsonl', '\n\n', { cause: /No record was found/, remedy: /without records/ })
})

it('nested objects and arrays of JSONL arrive as the text they were, exactly', async () => {
  const deep = '{"a":[1,{"b":null}],"n":12345678901234567890,"f":1.10,"s":"\\u00e9\\n"}'
  const answer = await load('nested.jsonl', `{"id":1,"doc":${deep},"tags":["x",1.10]}\n{"id":2,"extra":true}\n`)
  expect([answer.status, answer.body.failed ?? []]).toEqual([200, []])
  expect(await bench.destination('SELECT toString(id) AS id, doc, tags, extra FROM data ORDER BY id')).toEqual([
    { id: '1', doc: deep, tags: '["x",1.10]', extra: null },
    { id: '2', doc: null, tags: null, extra: true },
  ])
  await drop()
})

it('Parquet of all basic types arrives with its values, and a damaged one is refused', async () => {
  const columnData = [
    { name: 'b', data: [true, false, null], type: 'BOOLEAN' as const },
    { name: 'i32', data: [1, -2147483648, null], type: 'INT32' as const },
    { name: 'i64', data: [9007199254740993n, -9223372036854775808n, null], type: 'INT64' as const },
    { name: 'f32', data: [0.5, -1.5, null], type: 'FLOAT' as const },
    { name: 'f64', data: [0.1, Number.NaN, null], type: 'DOUBLE' as const },
    { name: 's', data: ['é😀', '', null], type: 'STRING' as const },
    { name: 'j', data: [{ a: [1, null] }, [], null], type: 'JSON' as const },
    { name: 't', data: [new Date('2024-02-29T01:02:03.456Z'), new Date(-1), null], type: 'TIMESTAMP' as const },
  ]
  const file = new Uint8Array(parquetWriteBuffer({ columnData }))
  const answer = await load('types.parquet', file)
  expect([answer.status, answer.body.failed ?? []]).toEqual([200, []])
  expect(
    await bench.destination(
      'SELECT b, i32, toString(i64) AS i64, f32, toString(f64) AS f64, s, j, toString(t) AS t FROM data ORDER BY i32 NULLS FIRST',
    ),
  ).toEqual([
    { b: null, i32: null, i64: null, f32: null, f64: null, s: null, j: null, t: null },
    {
      b: false,
      i32: -2147483648,
      i64: '-9223372036854775808',
      f32: -1.5,
      f64: 'nan',
      s: '',
      j: '[]',
      t: expect.stringMatching(/^1969-12-31 23:59:59\.999/),
    },
    {
      b: true,
      i32: 1,
      i64: '9007199254740993',
      f32: 0.5,
      f64: '0.1',
      s: 'é😀',
      j: '{"a":[1,null]}',
      t: expect.stringMatching(/^2024-02-29 01:02:03\.456/),
    },
  ])
  await drop()
  await refused('cut.parquet', file.subarray(0, file.length - 20), { cause: /./, remedy: /whole Parquet file/ })
  await refused('no.parquet', 'PAR1 but not really PAR1', { cause: /./, remedy: /whole Parquet file/ })
})

it('a value that does not fit the type of the other files is refused with its place', async () => {
  store.put('lake', 'set/a.csv', 'id,n\n1,1\n')
  store.put('lake', 'set/b.csv', 'id,other\n2,2\n')
  await refusedAndAsBefore(bench, () => load('set/*.csv'), {
    status: 422,
    tag: 'bad-data',
    side: 'source',
    cause: /header differs/,
    place: ['set/b.csv'],
    remedy: /same columns/,
  })
})
