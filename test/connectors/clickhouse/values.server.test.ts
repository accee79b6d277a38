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
