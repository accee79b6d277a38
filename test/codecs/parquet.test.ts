import { gzipSync, zstdCompressSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { expect, test } from 'vitest'
import { decodeParquet, openParquet } from '../../src/codecs/decode-parquet.ts'
import { decompress } from '../../src/codecs/decompress.ts'
import { faultOf } from '../../src/core/errors.ts'
import { typeName } from '../../src/core/schema.ts'
import { all, collect, pieces } from '../connectors/shared/file-table.ts'

type Options = Parameters<typeof parquetWriteBuffer>[0]
const fileOf = (bytes: ArrayBuffer) => ({ byteLength: bytes.byteLength, slice: (from: number, to?: number) => bytes.slice(from, to) })
const read = async (bytes: ArrayBuffer) => {
  const file = fileOf(bytes)
  const parquet = await openParquet(file)
  const schema = { fields: parquet.columns.map((column) => column.field) }
  const batches = await all(decodeParquet(file, parquet, schema))
  const columns = schema.fields.map((_, index) => batches.flatMap((batch) => Array.from(batch.columns[index] as ArrayLike<unknown>)))
  return {
    parquet,
    columns,
    types: schema.fields.map((field) => `${field.name} ${typeName(field.type)}${field.nullable ? '' : ' required'}`),
    batches,
  }
}
const root = (children: number) => ({ name: 'root', num_children: children })
const write = (schema: Options['schema'], columnData: Options['columnData'], over: Partial<Options> = {}) =>
  parquetWriteBuffer({ columnData, schema, ...over })

test('exact types and exact values: decimals, moments of every unit, unsigned numbers, uuids, bytes', async () => {
  const { types, columns } = await read(
    write(
      [
        root(8),
        { name: 'd', type: 'INT64', converted_type: 'DECIMAL', precision: 18, scale: 2, repetition_type: 'OPTIONAL' },
        {
          name: 'ms',
          type: 'INT64',
          logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
          repetition_type: 'REQUIRED',
        },
        {
          name: 'us',
          type: 'INT64',
          logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: false, unit: 'MICROS' },
          repetition_type: 'REQUIRED',
        },
        {
          name: 'ns',
          type: 'INT64',
          logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'NANOS' },
          repetition_type: 'REQUIRED',
        },
        { name: 'day', type: 'INT32', converted_type: 'DATE', repetition_type: 'REQUIRED' },
        { name: 'u', type: 'INT64', converted_type: 'UINT_64', repetition_type: 'REQUIRED' },
        { name: 'raw', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
        { name: 's', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      ],
      [
        { name: 'd', data: [1.25, null] },
        { name: 'ms', data: [-1n, 1700000000123n] },
        { name: 'us', data: [-1n, 1700000000123456n] },
        { name: 'ns', data: [-1n, 1700000000123456789n] },
        { name: 'day', data: [-1, 19_000] },
        { name: 'u', data: [0n, 9223372036854775807n] },
        { name: 'raw', data: [Uint8Array.from([0, 255]), null] },
        { name: 's', data: ['é', null] },
      ],
    ),
  )
  expect(types).toEqual([
    'd decimal(18,2)',
    'ms timestamptz(3) required',
    'us timestamp(6) required',
    'ns timestamptz(9) required',
    'day date required',
    'u uint64 required',
    'raw bytes',
    's string',
  ])
  expect(columns).toEqual([
    ['1.25', null],
    ['1969-12-31 23:59:59.999+00', '2023-11-14 22:13:20.123+00'],
    ['1969-12-31 23:59:59.999999', '2023-11-14 22:13:20.123456'],
    ['1969-12-31 23:59:59.999999999+00', '2023-11-14 22:13:20.123456789+00'],
    ['1969-12-31', '2022-01-08'],
    [0n, 9223372036854775807n],
    [Uint8Array.from([0, 255]), null],
    ['é', null],
  ])
})

test('lists become arrays, structs become JSON text', async () => {
  const bytes = write(
    [
      root(2),
      { name: 'l', converted_type: 'LIST', num_children: 1, repetition_type: 'OPTIONAL' },
      { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
      { name: 'element', type: 'INT64', repetition_type: 'OPTIONAL' },
      { name: 'o', num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'a', type: 'INT64', repetition_type: 'OPTIONAL' },
      { name: 'b', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    ],
    [
      { name: 'l', data: [[1n, null, 9007199254740993n], null, []] },
      { name: 'o', data: [{ a: 9007199254740993n, b: 'x"' }, null, { a: null, b: 'y' }] },
    ],
  )
  const { types, columns } = await read(bytes)
  expect(types).toEqual(['l array(int64)', 'o json'])
  expect(columns).toEqual([
    [[1n, null, 9007199254740993n], null, []],
    ['{"a":9007199254740993,"b":"x\\""}', null, '{"a":null,"b":"y"}'],
  ])
})

test('many row groups come one by one, in bounded batches', async () => {
  const data = Array.from({ length: 30_000 }, (_, index) => index)
  const { columns, batches, parquet } = await read(write(undefined, [{ name: 'n', data, type: 'INT32' }], { rowGroupSize: 12_000 }))
  expect([parquet.rows, columns[0]?.length, columns[0]?.[29_999]]).toEqual([30_000, 30_000, 29_999])
  expect(batches.map((batch) => batch.rowCount)).toEqual([10_000, 2_000, 10_000, 2_000, 6_000])
})

test('a broken file is a fault: too short, no footer, cut anywhere', async () => {
  const whole = write(undefined, [{ name: 'n', data: [1, 2, 3], type: 'INT32' }])
  for (let end = 0; end < whole.byteLength; end += 7) {
    const work = read(whole.slice(0, end)).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect([end, faultOf(await work).tag]).toEqual([end, 'bad-data'])
  }
})

test('gzip of several members and zstd of several frames are one text; cut or damaged data is a fault', async () => {
  const text = 'hello '.repeat(1000)
  const packed = {
    gzip: Buffer.concat([gzipSync(text), gzipSync(text)]),
    zstd: Buffer.concat([zstdCompressSync(text), zstdCompressSync(text)]),
  }
  for (const compression of ['gzip', 'zstd'] as const) {
    const bytes = packed[compression]
    for (const size of [1, 10, 10_000])
      expect(
        Buffer.from(await collect(decompress(pieces(bytes, size), compression))).toString() === text + text,
        `${compression} ${size}`,
      ).toBe(true)
    for (const bad of [
      bytes.subarray(0, bytes.length - 3),
      Buffer.concat([bytes.subarray(0, 20), Buffer.alloc(20, 7), bytes.subarray(40)]),
    ]) {
      const work = collect(decompress(pieces(bad, 100), compression)).then(
        () => undefined,
        (error: unknown) => error,
      )
      expect([compression, faultOf(await work).tag]).toEqual([compression, 'bad-data'])
    }
  }
})

test('leaving a decompressed body early closes what it was read from', async () => {
  let closed = false
  async function* body() {
    try {
      for (;;) yield gzipSync('x'.repeat(100_000))
    } finally {
      closed = true
    }
  }
  for await (const piece of decompress(body(), 'gzip')) {
    expect(piece.length).toBeGreaterThan(0)
    break
  }
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(closed).toBe(true)
})
