import { expect, test } from 'vitest'
import { columnNames } from '../../src/codecs/column-names.ts'
import { TypeGuess } from '../../src/codecs/infer.ts'
import { inferCsv } from '../../src/codecs/infer-csv.ts'
import { faultOf } from '../../src/core/errors.ts'
import { typeName } from '../../src/core/schema.ts'

const guess = (...values: string[]) => {
  const column = new TypeGuess()
  for (const value of values) column.text(value)
  return typeName(column.type())
}
const json = (...values: string[]) => {
  const column = new TypeGuess()
  for (const value of values) column.json(value)
  return typeName(column.type())
}
const infer = (text: string | Uint8Array, hints = {}) =>
  inferCsv(typeof text === 'string' ? new TextEncoder().encode(text) : text, true, hints)

test('types of text are inferred only where the text can be given back', () => {
  expect(guess('1', '-2', '9223372036854775807')).toBe('int64')
  expect(guess('1', '9223372036854775808')).toBe('decimal(38,0)')
  expect(guess('1', '9'.repeat(39))).toBe('string')
  expect(guess('1', '2.5', '1e-3')).toBe('float64')
  expect(guess('9007199254740993', '2.5')).toBe('string')
  expect(guess('0.1234567890123456789')).toBe('string')
  for (const value of ['007', '+1', '1,000', '1 ', '-0', '.5', '0x1F', '1_000', ''])
    expect([value, guess('1', value)]).toEqual([value, expect.stringMatching(value === '-0' ? 'float64' : 'string')])
  expect(guess('true', 'False')).toBe('boolean')
  for (const value of ['t', 'yes', '1']) expect([value, guess('true', value)]).toEqual([value, 'string'])
  expect(guess('2024-02-29')).toBe('date')
  for (const value of ['2023-02-29', '1815-12-10', '2300-01-01', '2024-02-29 00:00:00', '29.02.2024'])
    expect([value, guess('2024-01-01', value)]).toEqual([value, 'string'])
  expect(guess('2024-01-01 00:00:00', '2024-01-01T23:59:59.123')).toBe('timestamp(6)')
  expect(guess('2024-01-01T00:00:00Z', '2024-01-01T00:00:00.1234567+02:00')).toBe('timestamptz(9)')
  expect(guess('2024-01-01T00:00:00Z', '2024-01-01T00:00:00')).toBe('string')
  expect(guess()).toBe('string')
})

test('JSON values keep the kind they are written in', () => {
  expect(json('1', '2')).toBe('int64')
  expect(json('1', '"2"')).toBe('string')
  expect(json('"1"')).toBe('string')
  expect(json('"2024-01-01"')).toBe('date')
  expect(json('true')).toBe('boolean')
  expect(json('{"a":1}', '"x"')).toBe('json')
  expect(json('1.5', '12345678901234567890123')).toBe('string')
})

test('delimiter, quote, header, null token and the start of the data are found', () => {
  for (const delimiter of [',', ';', '\t', '|']) {
    const text = `\ufeffid${delimiter}"na\nme"\r\n1${delimiter}x\r\n2${delimiter}y\r\n`
    const found = infer(text)
    expect([found.format.delimiter, found.columns, found.format.header]).toEqual([delimiter, ['id', 'na\nme'], true])
    expect(Buffer.from(text).subarray(found.dataStart).toString()).toBe(`1${delimiter}x\r\n2${delimiter}y\r\n`)
  }
  expect(infer('only\na\nb\n').format.delimiter).toBe(',')
  expect(infer('1,a\n2,b\n')).toMatchObject({ format: { header: false }, columns: ['column1', 'column2'], dataStart: 0 })
  expect(infer('a,b\nc,d\n').format.header).toBe(true)
  expect(infer('a,b\n').format.header).toBe(true)
  expect(infer('id,2024\nx,1\ny,2\n').format.header).toBe(false)
  expect(infer('id,2024\n1,1\n2,2\n').format.header).toBe(true)
  expect(infer('a,b\n1,\\N\n').format.nullText).toBe('\\N')
  expect(infer('a,b\n1,NULL\n2,3\n').format.nullText).toBe('NULL')
  expect(infer('a,b\n1,NULL\n2,Smith\n').format.nullText).toBe('')
  expect(infer('a,b\n1,\n').format.nullText).toBe('')
})

test('what was inferred is told', () => {
  expect(infer('a;a;\n1;2;3\n').notes).toEqual([
    'delimiter ; inferred',
    '"a" of column 2 became "a_2"',
    'the empty name of column 3 became "column3"',
  ])
})

test('UTF-16 is found by its mark; text without one, empty files and old line ends are clear faults', () => {
  expect(infer(new Uint8Array(Buffer.from('\ufeffa,b\n1,é\n', 'utf16le')))).toMatchObject({
    encoding: 'utf-16le',
    columns: ['a', 'b'],
    dataStart: undefined,
  })
  for (const [text, message] of [
    [new Uint8Array(Buffer.from('a,b\n1,2\n', 'utf16le')), /UTF-16/],
    ['', /empty/],
    ['\n\n', /empty/],
    ['a,b\r1,2\r', /carriage return/],
  ] as const) {
    let fault: unknown
    try {
      infer(text)
    } catch (error) {
      fault = faultOf(error)
    }
    expect(fault).toMatchObject({ tag: 'bad-data', message: expect.stringMatching(message) })
  }
})

test('renaming is the same every time and never makes a name twice', () => {
  expect(columnNames(['a', 'a', 'a_2', '', 'column4', 'a']).names).toEqual(['a', 'a_3', 'a_2', 'column4_2', 'column4', 'a_4'])
})
