import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { DataType } from '../../../src/core/schema.ts'
import { CSV, faultFrom, field, JSONL, load, loadId, open, payloadOf, Server, TSV, target } from './loading.ts'

const server = new Server(inject('clickhouse').url)
let database = ''
beforeAll(async () => {
  database = await server.database()
})
let number = 0
const fresh = () => `t${number++}`
const int = (bits: 8 | 16 | 32 | 64 | 128 | 256, signed = true): DataType => ({ kind: 'int', bits, signed })
const utc: DataType = { kind: 'timestamp', zoned: true, fractionDigits: 6 }
const wall: DataType = { kind: 'timestamp', zoned: false, fractionDigits: 6 }

type Encoding = 'tsv' | 'csv' | 'jsonl'
const ENCODINGS: Encoding[] = ['tsv', 'csv', 'jsonl']

/** Rows of text values, numbered, in each encoding; null is NULL. */
function encode(encoding: Encoding, rows: (string | null)[][]): ReturnType<typeof payloadOf> {
  if (encoding === 'tsv') {
    const text = (value: string | null) =>
      value === null ? '\\N' : value.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
    return payloadOf(rows.map((row, id) => `${[String(id), ...row].map(text).join('\t')}\n`).join(''), TSV)
  }
  const names = (rows[0] ?? []).map((_, index) => `v${index}`)
  if (encoding === 'jsonl') {
    return payloadOf(
      rows.map((row, id) => `${JSON.stringify({ id, ...Object.fromEntries(names.map((name, index) => [name, row[index]])) })}\n`).join(''),
      JSONL,
    )
  }
  const quoted = (value: string | null) => (value === null ? '' : `"${value.replaceAll('"', '""')}"`)
  return payloadOf(
    ['id', ...names].join(',').concat('\r\n', rows.map((row, id) => `${[String(id), ...row.map(quoted)].join(',')}\r\n`).join('')),
    CSV,
  )
}

const KEPT: [string, DataType, string[], string[]?][] = [
  ['int8', int(8), ['-128', '127', '0']],
  ['uint8', int(8, false), ['255', '0']],
  ['int16', int(16), ['-32768', '32767']],
  ['int32', int(32), ['-2147483648', '2147483647']],
  ['uint32', int(32, false), ['4294967295']],
  ['int64', int(64), ['-9223372036854775808', '9223372036854775807']],
  ['uint64', int(64, false), ['18446744073709551615']],
  ['int128', int(128), ['-170141183460469231731687303715884105728']],
  ['uint256', int(256, false), ['115792089237316195423570985008687907853269984665640564039457584007913129639935']],
  [
    'float64',
    { kind: 'float', bits: 64 },
    ['1.2345678901234566e-7', '0.1', '5e-324', '1.7976931348623157e308', '-0.5', 'NaN', 'Infinity', '-Infinity'],
    ['1.2345678901234566e-7', '0.1', '5e-324', '1.7976931348623157e308', '-0.5', 'nan', 'inf', '-inf'],
  ],
  ['float32', { kind: 'float', bits: 32 }, ['0.1', '3.4028235e38', 'NaN'], ['0.1', '3.4028235e38', 'nan']],
  ['decimal(10,2)', { kind: 'decimal', precision: 10, scale: 2 }, ['12345678.91', '-0.01', '0.00'], ['12345678.91', '-0.01', '0']],
  [
    'decimal(76,38)',
    { kind: 'decimal', precision: 76, scale: 38 },
    ['12345678901234567890123456789012345678.12345678901234567890123456789012345679'],
  ],
  [
    'string',
    { kind: 'string' },
    [
      '',
      'plain',
      'tab\tnewline\nreturn\rback\\slash',
      '"quoted", and \'single\'',
      '\\N',
      'NULL',
      '  spaces  ',
      'žluťoučký 🐎',
      '\u0001',
      'a\\tb',
    ],
    [
      '',
      'plain',
      'tab\\tnewline\\nreturn\\rback\\\\slash',
      '"quoted", and \\\'single\\\'',
      '\\\\N',
      'NULL',
      '  spaces  ',
      'žluťoučký 🐎',
      '\u0001',
      'a\\\\tb',
    ],
  ],
  ['boolean', { kind: 'boolean' }, ['t', 'f'], ['true', 'false']],
  ['date', { kind: 'date' }, ['1900-01-01', '1970-01-01', '2024-02-29', '2299-12-31']],
  [
    'timestamptz',
    utc,
    [
      '2024-01-02 03:04:05.123456+00',
      '0001-01-01 00:00:00+00',
      '1899-12-31 23:59:59.999999+00',
      '1969-12-31 23:59:59.5+00',
      '9999-12-31 23:59:59.999999+00',
      '2024-03-31 02:30:00+00',
    ],
    [
      '2024-01-02 03:04:05.123456',
      '0001-01-01 00:00:00.000000',
      '1899-12-31 23:59:59.999999',
      '1969-12-31 23:59:59.500000',
      '9999-12-31 23:59:59.999999',
      '2024-03-31 02:30:00.000000',
    ],
  ],
  [
    'timestamp',
    wall,
    ['2024-03-31 02:30:00', '2024-01-02 03:04:05.000001', '1582-10-10 00:00:00'],
    ['2024-03-31 02:30:00.000000', '2024-01-02 03:04:05.000001', '1582-10-10 00:00:00.000000'],
  ],
  ['time', { kind: 'time' }, ['23:59:59.999999', '00:00:00', '24:00:00']],
  ['uuid', { kind: 'uuid' }, ['550e8400-e29b-41d4-a716-446655440000', '00000000-0000-0000-0000-000000000000']],
  [
    'json',
    { kind: 'json' },
    ['{"a": 1.10, "b": [null, "x\\"y"]}', 'null', '"text"', '12345678901234567890.1'],
    ['{"a": 1.10, "b": [null, "x\\\\"y"]}', 'null', '"text"', '12345678901234567890.1'],
  ],
  [
    'array of text',
    { kind: 'array', of: { kind: 'string' } },
    ['[]', '["a",null,"quo\\"te","tab\\tx","\\u00e9"]'],
    ['[]', "[\\'a\\',NULL,\\'quo\"te\\',\\'tab\\\\tx\\',\\'é\\']"],
  ],
  ['array of int', { kind: 'array', of: int(64) }, ['[1, -2,null,9223372036854775807]'], ['[1,-2,NULL,9223372036854775807]']],
  [
    'array of decimal',
    { kind: 'array', of: { kind: 'decimal', precision: 38, scale: 2 } },
    ['["123456789012345678901234567890.12",1.5]'],
    ['[123456789012345678901234567890.12,1.5]'],
  ],
  [
    'array of timestamps',
    { kind: 'array', of: utc },
    ['["2024-01-02 03:04:05.123456+00",null]'],
    ["[\\'2024-01-02 03:04:05.123456\\',NULL]"],
  ],
  [
    'array of floats',
    { kind: 'array', of: { kind: 'float', bits: 64 } },
    ['[0.1,"NaN",1.2345678901234566e-7]'],
    ['[0.1,nan,1.2345678901234566e-7]'],
  ],
  ['array of arrays', { kind: 'array', of: { kind: 'array', of: int(32) } }, ['[[1],[2,null],[]]'], ['[[1],[2,NULL],[]]']],
  ['bytes', { kind: 'bytes' }, ['00ff5c0a09', '']],
]

/** Columns of many types side by side, shorter ones filled up with NULL (arrays with an empty array). */
function table(encoding: Encoding, columns: { type: DataType; values: (string | null)[] }[]) {
  const height = Math.max(...columns.map((column) => column.values.length)) + 1
  return encode(
    encoding,
    Array.from({ length: height }, (_, row) => columns.map(({ type, values }) => values[row] ?? (type.kind === 'array' ? '[]' : null))),
  )
}

const fieldsOf = (types: DataType[]) => [field('id', int(32), false), ...types.map((type, index) => field(`v${index}`, type))]

describe.each(ENCODINGS)('%s keeps every value', (encoding) => {
  const into = fresh()
  beforeAll(async () => {
    const payload = table(
      encoding,
      KEPT.map(([, type, values]) => ({ type, values })),
    )
    await load(open(server.url, { database }), target(into, fieldsOf(KEPT.map(([, type]) => type))), [payload])
  })

  test.each(KEPT.map((entry, index) => [entry[0], index] as const))('%s', async (_name, index) => {
    const [, type, values, expected = values] = KEPT[index] ?? ['', { kind: 'string' }, []]
    const shown = type.kind === 'bytes' ? `lower(hex(v${index}))` : `toString(v${index})`
    const stored = await server.lines(`SELECT ifNull(${shown}, 'NULL') FROM ${database}.${into} ORDER BY id`)
    expect(stored.slice(0, expected.length + 1)).toEqual([...expected, type.kind === 'array' ? '[]' : 'NULL'])
  })
})

/** What does not fit: never stored as something else. `tsv` is true where a typed source can hold it. */
const MISFITS: [string, DataType, string, boolean][] = [
  ['int8 over', int(8), '128', true],
  ['int16 under', int(16), '-32769', true],
  ['int32 over', int(32), '2147483648', true],
  ['uint32 negative', int(32, false), '-1', true],
  ['int64 over', int(64), '9223372036854775808', false],
  ['uint64 over', int(64, false), '18446744073709551616', false],
  ['int empty', int(32), '', false],
  ['int with fraction', int(32), '1.5', true],
  ['int with text', int(32), '12abc', true],
  ['float text', { kind: 'float', bits: 64 }, '1,5', true],
  ['float64 over', { kind: 'float', bits: 64 }, '1e400', false],
  ['float32 over', { kind: 'float', bits: 32 }, '1e39', false],
  ['decimal NaN', { kind: 'decimal', precision: 10, scale: 2 }, 'NaN', true],
  ['decimal infinity', { kind: 'decimal', precision: 10, scale: 2 }, 'Infinity', true],
  ['decimal too many digits', { kind: 'decimal', precision: 10, scale: 2 }, '123456789.01', true],
  ['decimal extra fraction', { kind: 'decimal', precision: 10, scale: 2 }, '1.239', false],
  ['decimal dash', { kind: 'decimal', precision: 10, scale: 2 }, '-', false],
  ['date before', { kind: 'date' }, '1899-12-31', true],
  ['date after', { kind: 'date' }, '2300-01-01', true],
  ['date far', { kind: 'date' }, '0001-01-01', true],
  ['date infinity', { kind: 'date' }, 'infinity', true],
  ['date BC', { kind: 'date' }, '0044-03-15 BC', true],
  ['date of no calendar', { kind: 'date' }, '2024-02-30', true],
  ['date with month 13', { kind: 'date' }, '2024-13-01', true],
  ['timestamp infinity', utc, 'infinity', true],
  ['timestamp -infinity', wall, '-infinity', true],
  ['timestamp BC', utc, '0044-03-15 00:00:00+00 BC', true],
  ['timestamp year 10000', utc, '10000-01-01 00:00:00+00', true],
  ['timestamp of no calendar', utc, '2024-02-30 00:00:00+00', true],
  ['timestamp extra fraction', utc, '2024-01-02 03:04:05.1234567+00', false],
  ['unzoned timestamp with an offset', wall, '2024-01-02 03:04:05+05:30', false],
  ['epoch for a timestamp', utc, '1704164645', false],
  ['boolean', { kind: 'boolean' }, 'maybe', true],
  ['uuid', { kind: 'uuid' }, '550e8400-e29b-41d4-a716-44665544000g', false],
  ['bytes odd', { kind: 'bytes' }, 'abc', true],
  ['bytes no hex', { kind: 'bytes' }, 'zz', true],
  ['array item over', { kind: 'array', of: int(8) }, '[300]', true],
  ['array item of another type', { kind: 'array', of: int(8) }, '["x"]', true],
  ['array no JSON', { kind: 'array', of: int(8) }, '{1,2}', true],
]

describe.each(ENCODINGS)('%s: what does not fit', (encoding) => {
  const types = MISFITS.map(([, type]) => type)
  const only = (index: number) =>
    table(
      encoding,
      MISFITS.map(([, type, value], at) => ({ type, values: [null, at === index ? value : null].slice(type.kind === 'array' ? 1 : 0) })),
    )
  let staging: { write(payload: ReturnType<typeof payloadOf>): Promise<unknown>; end(): Promise<void> }
  beforeAll(async () => {
    const destination = open(server.url, { database })
    const prepared = await destination.prepare(await destination.plan(target(fresh(), fieldsOf(types))), loadId())
    let attempt = 0
    staging = {
      write: (payload) => destination.write(prepared, { chunkId: 'c0', attemptId: `a${attempt++}` }, payload, () => {}),
      end: () => destination.abort(prepared),
    }
  })
  afterAll(() => staging.end())

  const failing = MISFITS.map((entry, index) => [entry[0], index, entry[3]] as const).filter(([, , inTsv]) => inTsv || encoding !== 'tsv')
  test.each(failing)('%s fails with its column', async (_name, index) => {
    const fault = await faultFrom(staging.write(only(index)))
    expect(fault).toMatchObject({ tag: 'bad-data', place: { system: 'clickhouse', column: `v${index}` } })
    expect(fault.remedy).not.toBe('')
  })

  test('all of it becomes NULL on request and is counted, except in arrays', async () => {
    const scalars = MISFITS.filter(([, type]) => type.kind !== 'array')
    const into = fresh()
    const wanted = target(into, fieldsOf(scalars.map(([, type]) => type)), { type: 'append' }, { unrepresentable: 'null' })
    const result = await load(open(server.url, { database }), wanted, [
      table(
        encoding,
        scalars.map(([, type, value]) => ({ type, values: [value] })),
      ),
    ])
    const counts = await server.lines(`SELECT ${scalars.map((_, index) => `count(v${index})`).join(', ')} FROM ${database}.${into}`)
    expect(counts).toEqual([scalars.map(() => '0').join('\t')])
    for (const index of scalars.keys()) expect(result.notes.join()).toContain(`1 in "v${index}"`)
  })
})

test('a refused value is named by its beginning only', async () => {
  const fault = await faultFrom(
    load(open(server.url, { database }), target(fresh(), fieldsOf([int(32)])), [encode('csv', [['x'.repeat(500)]])]),
  )
  expect(fault.message).toContain('x'.repeat(64))
  expect(fault.message).not.toContain('x'.repeat(65))
})

test('a parse error names record and column and quotes no other row', async () => {
  const wanted = target(fresh(), [field('id', 'uuid', false), field('name', 'string')])
  const good = '550e8400-e29b-41d4-a716-446655440000\tsecret-name\n'
  const fault = await faultFrom(load(open(server.url, { database }), wanted, [`${good.repeat(2000)}no-uuid\tx\n${good}`]))
  expect(fault).toMatchObject({ tag: 'bad-data', place: { record: 2001 } })
  expect(JSON.stringify(fault)).not.toContain('secret-name')
})

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
