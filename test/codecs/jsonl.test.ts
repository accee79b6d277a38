import { expect, test } from 'vitest'
import { decodeJsonl } from '../../src/codecs/decode-jsonl.ts'
import { encodeTsv } from '../../src/codecs/encode-tsv.ts'
import { faultOf } from '../../src/core/errors.ts'
import type { DataType, Schema } from '../../src/core/schema.ts'
import { all, collect, pieces } from '../connectors/shared/file-table.ts'

const schema = (columns: Record<string, DataType>): Schema => ({
  fields: Object.entries(columns).map(([name, type]) => ({ name, type, nullable: true })),
})
const decode = async (jsonl: string | Uint8Array, columns: Schema, size = 5) => {
  const rows: unknown[][] = []
  for (const batch of await all(decodeJsonl(pieces(jsonl, size), columns))) {
    for (let row = 0; row < batch.rowCount; row++) rows.push(batch.columns.map((column) => column[row]))
  }
  return rows
}
const fault = async (work: Promise<unknown>) =>
  faultOf(
    await work.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )
const INT: DataType = { kind: 'int', bits: 64, signed: true }
const STRING: DataType = { kind: 'string' }
const JSON_TYPE: DataType = { kind: 'json' }

const LINE =
  '{"id": 9007199254740993 ,"d":123456789012345678901234567890.5,"s":"a\\"}{,\\\\","j":{"x":[1.10,"}"],"y":{}},"b":true,"n":null}'
const COLUMNS = schema({ id: INT, d: STRING, s: STRING, j: JSON_TYPE, b: { kind: 'boolean' }, n: STRING, absent: STRING })
const ROW = [9007199254740993n, '123456789012345678901234567890.5', 'a"}{,\\', '{"x":[1.10,"}"],"y":{}}', true, null, null]

test('JSONL decodes the same wherever its bytes are cut; no digit changes, nested values keep their text', async () => {
  for (let size = 1; size < LINE.length + 10; size += 3) expect(await decode(`${LINE}\r\n\n${LINE}`, COLUMNS, size)).toEqual([ROW, ROW])
})

test('a line broken off anywhere is a fault with its number', async () => {
  for (let end = 1; end < LINE.length; end++) {
    expect(await fault(decode(`${LINE}\n${LINE.slice(0, end)}`, COLUMNS, 64))).toMatchObject({ tag: 'bad-data', place: { record: 2 } })
  }
})

test('keys like __proto__ are columns as any other', async () => {
  const hostile = Object.fromEntries([
    ['__proto__', STRING],
    ['constructor', INT],
  ]) as Record<string, DataType>
  const columns: Schema = {
    fields: [
      { name: '__proto__', type: STRING, nullable: true },
      ...schema(hostile).fields.filter((field) => field.name === 'constructor'),
    ],
  }
  expect(await decode('{"__proto__":"p","constructor":1}\n{"constructor":2}\n', columns)).toEqual([
    ['p', 1n],
    [null, 2n],
  ])
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
})

test('deep nesting is read, whatever its depth', async () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  expect(await decode(`{"a":${deep}}\n`, schema({ a: JSON_TYPE }), 65_536)).toEqual([[deep]])
})

test('what does not fit is a fault: wrong kinds, inexact numbers, unknown and repeated keys, half surrogates', async () => {
  const cases: [DataType, string][] = [
    [INT, '{"a":1.5}'],
    [INT, '{"a":9223372036854775808}'],
    [INT, '{"a":1.00000000000000001}'],
    [INT, '{"a":"1"}'],
    [{ kind: 'float', bits: 64 }, '{"a":9007199254740993}'],
    [{ kind: 'float', bits: 64 }, '{"a":1e400}'],
    [{ kind: 'boolean' }, '{"a":1}'],
    [STRING, '{"b":1}'],
    [STRING, '{"a":1,"a":2}'],
    [STRING, '{"a":"\\ud800"}'],
    [STRING, '[1]'],
    [STRING, '"a"'],
    [STRING, '{"a":1}{"a":2}'],
  ]
  for (const [type, line] of cases)
    expect([line, (await fault(decode(`${line}\n`, schema({ a: type }), 1000))).tag]).toEqual([line, 'bad-data'])
  expect(await decode('{"a":1e3}\n{"a":2.0}\n', schema({ a: INT }))).toEqual([[1000n], [2n]])
})

test('an endless line does not fill the memory', async () => {
  async function* endless() {
    for (let index = 0; index < 40; index++) yield new Uint8Array(1024 * 1024).fill(123)
    throw new Error('read too far')
  }
  expect(await fault(all(decodeJsonl(endless(), schema({ a: STRING }))))).toMatchObject({
    tag: 'bad-data',
    message: expect.stringMatching(/longer than/),
  })
})

test('TSV text forms: escapes, nulls, exact numbers, arrays', async () => {
  const columns = schema({
    s: STRING,
    b: { kind: 'boolean' },
    i: INT,
    f: { kind: 'float', bits: 64 },
    f4: { kind: 'float', bits: 32 },
    d: { kind: 'decimal', precision: 38, scale: 2 },
    y: { kind: 'bytes' },
    arr: { kind: 'array', of: { kind: 'array', of: { kind: 'int', bits: 64, signed: true } } },
    strs: { kind: 'array', of: STRING },
  })
  async function* batches() {
    yield {
      rowCount: 2,
      columns: [
        ['a\tb\nc\rd\\e\0\\N', null],
        [true, false],
        [9007199254740993n, null],
        [0.1, Number.NaN],
        [Math.fround(0.1), Number.NEGATIVE_INFINITY],
        ['1.10', null],
        [Uint8Array.from([0, 255]), null],
        [[[9007199254740993n, null], []], null],
        [['a"\t', null], []],
      ],
    }
  }
  expect(Buffer.from(await collect(encodeTsv(columns, batches()))).toString()).toBe(
    'a\\tb\\nc\\rd\\\\e\\0\\\\N\tt\t9007199254740993\t0.1\t0.1\t1.10\t00ff\t[[9007199254740993,null],[]]\t["a\\\\"\\\\t",null]\n' +
      '\\N\tf\t\\N\tNaN\t-Infinity\t\\N\t\\N\t\\N\t[]\n',
  )
})
