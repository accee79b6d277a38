import { gzipSync, zstdCompressSync } from 'node:zlib'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import type { DataType } from '../../../src/core/schema.ts'
import { CSV, faultFrom, field, JSONL, load, open, payloadOf, Server, TSV, target } from './loading.ts'

const server = new Server(inject('clickhouse').url)
let database = ''
beforeAll(async () => {
  database = await server.database()
})
let number = 0
const fresh = () => `t${number++}`
const int = (bits: 8 | 16 | 32 | 64 | 128 | 256, signed = true): DataType => ({ kind: 'int', bits, signed })
const utc: DataType = { kind: 'timestamp', zoned: true, fractionDigits: 6 }

describe('formats', () => {
  const fields = [field('id', int(32), false), field('name', 'string')]
  const read = (table: string) => server.lines(`SELECT id, ifNull(name, 'NULL') FROM ${database}.${table} ORDER BY id`)
  const into = (data: string | Uint8Array, format: Parameters<typeof payloadOf>[1], table = fresh()) =>
    load(open(server.url, { database }), target(table, fields), [payloadOf(data, format)]).then(() => read(table))

  test('CSV with its own order of columns, byte order mark and CRLF', async () => {
    expect(await into('\ufeffname,id\r\n"a\r\nb",1\r\n,2\r\n"",3\r\n', CSV)).toEqual(['1\ta\\r\\nb', '2\tNULL', '3\t'])
  })

  test('CSV without header, with another delimiter, quote and NULL token', async () => {
    const csv = { delimiter: ';', quote: "'", header: false, nullText: 'NULL' }
    expect(await into("1;'a;''b'\n2;NULL\n3;'NULL'\n4;\n", { encoding: 'csv', compression: 'none', csv })).toEqual([
      "1\ta;\\'b",
      '2\tNULL',
      '3\tNULL',
      '4\t',
    ])
  })

  test('CSV where \\N stands for NULL', async () => {
    const csv = { delimiter: '\t', quote: '"', header: true, nullText: '\\N' }
    expect(await into('id\tname\n1\t\\N\n2\t""\n', { encoding: 'csv', compression: 'none', csv })).toEqual(['1\tNULL', '2\t'])
  })

  test.each(['gzip', 'zstd'] as const)('%s bodies of CSV and JSON lines', async (compression) => {
    const pack = compression === 'gzip' ? gzipSync : zstdCompressSync
    expect(await into(pack('id,name\n1,a\n'), { ...CSV, compression })).toEqual(['1\ta'])
    expect(await into(pack('{"id":1,"name":"a"}\n'), { ...JSONL, compression })).toEqual(['1\ta'])
  })

  test('JSON lines: missing keys are NULL, numbers keep every digit', async () => {
    const table = fresh()
    const wanted = target(table, [
      field('id', int(32), false),
      field('n', { kind: 'decimal', precision: 40, scale: 10 }),
      field('s', 'string'),
      field('o', 'json'),
    ])
    await load(open(server.url, { database }), wanted, [
      payloadOf('{"id":1,"n":12345678901234567890.1234567891,"o":{"a": 1}}\n{"id":2}\n', JSONL),
    ])
    expect(await server.lines(`SELECT * FROM ${database}.${table} ORDER BY id`)).toEqual([
      '1\t12345678901234567890.1234567891\t\\N\t{"a": 1}',
      '2\t\\N\t\\N\t\\N',
    ])
  })

  test.each([
    ['ragged CSV, too few', 'id,name\n1\n', CSV],
    ['ragged CSV, too many', 'id,name\n1,a,b\n', CSV],
    ['CSV with an unknown column', 'id,nom\n1,a\n', CSV],
    ['CSV with a column twice', 'id,id\n1,a\n', CSV],
    ['tsv with too few columns', '1\n', TSV],
    ['tsv with too many columns', '1\ta\tb\n', TSV],
    ['broken JSON', '{"id":1,"name":\n', JSONL],
    ['JSON with an unknown key', '{"id":1,"nom":"a"}\n', JSONL],
    ['NULL where the field has none (tsv)', '\\N\ta\n', TSV],
    ['NULL where the field has none (JSON)', '{"id":null,"name":"a"}\n', JSONL],
    ['a missing key where the field has no NULL', '{"name":"a"}\n', JSONL],
  ])('%s is bad data', async (_name, data, format) => {
    expect(await faultFrom(into(data, format))).toMatchObject({ tag: 'bad-data' })
  })

  test('Parquet, with names and types of its own', async () => {
    const response = await fetch(server.url, {
      method: 'POST',
      body: "SELECT toInt32(1) AS id, 'a' AS name, toDate32('2024-02-29') AS d, toDateTime64('2024-01-02 03:04:05.123456', 6, 'UTC') AS t, toDecimal64('1.23', 2) AS n, 1.5 AS f, true AS b, 'raw\\\\x00' AS y, [1, NULL] AS a FORMAT Parquet",
      headers: { 'x-clickhouse-user': 'sluice', 'x-clickhouse-key': 'pass-word' },
    })
    const bytes = new Uint8Array(await response.arrayBuffer())
    const table = fresh()
    const wanted = target(table, [
      field('n', 'decimal'),
      field('id', int(32), false),
      field('name', 'string'),
      field('d', 'date'),
      field('t', utc),
      field('f', 'float'),
      field('b', 'boolean'),
      field('y', 'bytes'),
      field('a', { kind: 'array', of: int(32) }),
    ])
    await load(open(server.url, { database }), wanted, [payloadOf(bytes, { encoding: 'parquet', compression: 'none' })])
    expect(await server.lines(`SELECT * FROM ${database}.${table}`)).toEqual([
      '1.23\t1\ta\t2024-02-29\t2024-01-02 03:04:05.123456\t1.5\ttrue\traw\\\\x00\t[1,NULL]',
    ])
  })

  test.each(['none', 'gzip', 'zstd'] as const)('1,600 columns, %s', async (compression) => {
    const names = Array.from({ length: 1600 }, (_, index) => `a_rather_long_column_name_to_fill_the_statement_${index}`)
    const table = fresh()
    const data = `${names.join(',')}\n${names.map((_, index) => index).join(',')}\n`
    const bytes = compression === 'gzip' ? gzipSync(data) : compression === 'zstd' ? zstdCompressSync(data) : data
    const wanted = target(
      table,
      names.map((name) => field(name, 'string')),
    )
    const result = await load(open(server.url, { database }), wanted, [payloadOf(bytes, { ...CSV, compression })])
    expect(result).toMatchObject({ foundRows: 1 })
  })

  test('names with any characters arrive verbatim', async () => {
    const names = ['a b', 'quote"\'`', 'back\\slash', 'Ünïcode 🐎', 'select', 'a.b', 'x,y']
    const table = 'weird `table\\ "name".x'
    const wanted = target(
      table,
      names.map((name) => field(name, int(32))),
    )
    await load(open(server.url, { database }), wanted, [
      names
        .map((_, index) => index)
        .join('\t')
        .concat('\n'),
    ])
    await load(open(server.url, { database }), wanted, [
      payloadOf(`${JSON.stringify(Object.fromEntries(names.map((name, index) => [name, index])))}\n`, JSONL),
    ])
    const rows = await server.lines(
      `SELECT name FROM system.columns WHERE database = '${database}' AND table = 'weird \`table\\\\ "name".x' ORDER BY position FORMAT TSVRaw --`,
    )
    expect(rows).toEqual(names)
    expect(await server.query(`SELECT * FROM ${database}.\`weird \\\`table\\\\ "name".x\``)).toBe(
      [0, 1].map(() => '0\t1\t2\t3\t4\t5\t6').join('\n'),
    )
  })
})
