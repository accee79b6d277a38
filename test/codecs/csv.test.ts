import Papa from 'papaparse'
import { expect, test } from 'vitest'
import { countCsvRecords, countJsonLines } from '../../src/codecs/count-records.ts'
import { findCsvCut } from '../../src/codecs/csv-cut.ts'
import { CsvRecords } from '../../src/codecs/csv-records.ts'
import { decodeCsv } from '../../src/codecs/decode-csv.ts'
import { faultOf } from '../../src/core/errors.ts'
import type { CsvFormat } from '../../src/core/payload.ts'
import type { DataType, Schema } from '../../src/core/schema.ts'
import { all, pieces, random } from '../connectors/shared/file-table.ts'

const FORMAT: CsvFormat = { delimiter: ',', quote: '"', header: true, nullText: '' }
const text = (...names: string[]): Schema => ({ fields: names.map((name) => ({ name, type: { kind: 'string' }, nullable: true })) })
const one = (type: DataType): Schema => ({ fields: [{ name: 'a', type, nullable: true }] })
const decode = async (csv: string | Uint8Array, schema: Schema, size = 7, format = FORMAT) => {
  const rows: unknown[][] = []
  for await (const batch of decodeCsv(pieces(csv, size), schema, { format })) {
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

const HARD = 'a,b,c\r\n1,"x\r\n""y""",\n\n2,"",z\r\n"q",",",é𝄞\n3,4,5'
const HARD_ROWS = [
  ['1', 'x\r\n"y"', null],
  ['2', '', 'z'],
  ['q', ',', 'é𝄞'],
  ['3', '4', '5'],
]

test('CSV decodes the same wherever its bytes are cut, down to single bytes', async () => {
  for (let size = 1; size <= HARD.length + 2; size++) expect(await decode(HARD, text('a', 'b', 'c'), size)).toEqual(HARD_ROWS)
})

test('an empty unquoted field is null, an empty quoted one is empty text', async () => {
  expect(await decode('a,b\n,""\n', text('a', 'b'))).toEqual([[null, '']])
  expect(await decode('a,b\n,NULL\n"NULL",x\n', text('a', 'b'), 3, { ...FORMAT, nullText: 'NULL' })).toEqual([
    ['', null],
    ['NULL', 'x'],
  ])
})

test('random tables with quotes, delimiters and line breaks come back as an independent writer wrote them', async () => {
  const next = random(20261122)
  const alphabet = ['a', '"', ',', '\n', '\r\n', 'é', ' ', ';', '\\', '0']
  for (let round = 0; round < 150; round++) {
    const width = 1 + Math.floor(next() * 4)
    const cell = () => Array.from({ length: 1 + Math.floor(next() * 6) }, () => alphabet[Math.floor(next() * alphabet.length)]).join('')
    const table = Array.from({ length: 1 + Math.floor(next() * 8) }, () => Array.from({ length: width }, cell))
    const names = Array.from({ length: width }, (_, index) => `c${index}`)
    const csv = Papa.unparse([names, ...table], { newline: next() < 0.5 ? '\n' : '\r\n' })
    expect(await decode(csv, text(...names), 1 + Math.floor(next() * 20)), JSON.stringify(csv)).toEqual(table)
    const counter = countCsvRecords(FORMAT)
    for await (const piece of pieces(csv, 1 + Math.floor(next() * 20))) counter.push(piece)
    expect(counter.end().records, JSON.stringify(csv)).toBe(table.length + 1)
  }
})

test('the counter and the decoder agree on blank lines, lone quotes in text and a missing last line end', async () => {
  const cases: [string, number, boolean][] = [
    ['', 0, false],
    ['\n\r\n', 0, false],
    ['a\n', 1, false],
    ['a', 1, false],
    ['5" disk,1\n', 1, false],
    ['"a\n', 0, true],
    ['"a\n"\n', 1, false],
    [',\n', 1, false],
    ['""\n', 1, false],
    ['"a""', 0, true],
    ['"a"\r\n"b"\r\n', 2, false],
  ]
  for (const [csv, records, insideQuotes] of cases) {
    for (const size of [1, 2, 100]) {
      const counter = countCsvRecords(FORMAT)
      for await (const piece of pieces(csv, size)) counter.push(piece)
      const counted = counter.end()
      expect([csv, counted.insideQuotes]).toEqual([csv, insideQuotes])
      if (!insideQuotes) {
        expect([csv, counted.records]).toEqual([csv, records])
        const same = (value: string) => value
        const parsed = new CsvRecords(FORMAT, same, same)
        expect([...parsed.push(csv), ...parsed.end()].length).toBe(records)
      }
    }
  }
})

test('JSON lines are counted without the blank ones, in any pieces', async () => {
  for (const [lines, records] of [
    ['{}\n{}', 2],
    ['\n \r\n{}\n\t\n', 1],
    ['', 0],
    ['  {}\n', 1],
  ] as const) {
    for (const size of [1, 3, 100]) {
      const counter = countJsonLines()
      for await (const piece of pieces(lines, size)) counter.push(piece)
      expect([lines, counter.end().records]).toEqual([lines, records])
    }
  }
})

test('typed values decode exactly, and what does not fit is a fault with record and column', async () => {
  const good: [DataType, string, unknown][] = [
    [{ kind: 'int', bits: 64, signed: true }, '-9223372036854775808', -9223372036854775808n],
    [{ kind: 'decimal', precision: 38, scale: 4 }, '-0012.3400', '-12.34'],
    [{ kind: 'float', bits: 64 }, '1e-7', 1e-7],
    [{ kind: 'boolean' }, 'TRUE', true],
    [{ kind: 'timestamp', zoned: true, fractionDigits: 6 }, '2024-03-01T00:30:00.5+02:00', '2024-02-29 22:30:00.5+00'],
    [{ kind: 'timestamp', zoned: false, fractionDigits: 6 }, '2024-03-01T00:30:00', '2024-03-01 00:30:00'],
  ]
  for (const [type, given, expected] of good) expect(await decode(`a\n${given}\n`, one(type))).toEqual([[expected]])
  const bad: [DataType, string][] = [
    [{ kind: 'int', bits: 64, signed: true }, '9223372036854775808'],
    [{ kind: 'int', bits: 8, signed: true }, '128'],
    [{ kind: 'int', bits: 64, signed: true }, '9'.repeat(100_000)],
    [{ kind: 'decimal', precision: 4, scale: 2 }, '1.234'],
    [{ kind: 'float', bits: 64 }, '9007199254740993'],
    [{ kind: 'float', bits: 64 }, '1e999'],
    [{ kind: 'date' }, '2023-02-29'],
    [{ kind: 'timestamp', zoned: false, fractionDigits: 6 }, '2024-03-01 00:00:00Z'],
    [{ kind: 'timestamp', zoned: true, fractionDigits: 3 }, '2024-03-01 00:00:00.1234Z'],
  ]
  for (const [type, given] of bad) {
    expect([given.slice(0, 30), await fault(decode(`a\n${given}\n`, one(type)))]).toEqual([
      given.slice(0, 30),
      expect.objectContaining({ tag: 'bad-data', place: expect.objectContaining({ column: 'a', record: 1 }) }),
    ])
  }
})

test('broken CSV is a fault that names the record', async () => {
  const cases: [string, number | undefined, RegExp][] = [
    ['a,b\n1,2\n3\n', 2, /1 fields where 2/],
    ['a,b\n1,"2" x\n', 1, /follows a closing quote/],
    ['a,b\n1,"2\n', 1, /ends inside/],
    ['a,c\n1,2\n', undefined, /lacks "b" and has "c"/],
  ]
  for (const [csv, record, message] of cases) {
    const found = await fault(decode(csv, text('a', 'b')))
    expect(found).toMatchObject({ tag: 'bad-data', message: expect.stringMatching(message) })
    expect('place' in found && found.place.record).toBe(record)
  }
})

test('bytes that are no UTF-8 are a fault, not a replacement character', async () => {
  expect(await fault(decode(Uint8Array.from([97, 10, 0xc3, 0x28, 10]), text('a')))).toMatchObject({
    tag: 'bad-data',
    message: expect.stringMatching(/UTF-8/),
  })
  expect(await fault(decode(Uint8Array.from([97, 10, 0xc3]), text('a')))).toMatchObject({ tag: 'bad-data' })
})

test('a quote that is never closed does not fill the memory', async () => {
  async function* endless() {
    yield new TextEncoder().encode('a\n"')
    for (let index = 0; index < 40; index++) yield new Uint8Array(1024 * 1024).fill(120)
    throw new Error('read too far')
  }
  expect(await fault(all(decodeCsv(endless(), text('a'), { format: FORMAT })))).toMatchObject({
    tag: 'bad-data',
    message: expect.stringMatching(/longer than/),
  })
})

test('batches stay bounded', async () => {
  const rows = Array.from({ length: 25_000 }, (_, index) => `${index},${'x'.repeat(100)}`).join('\n')
  const batches = await all(decodeCsv(pieces(`a,b\n${rows}\n`, 65_536), text('a', 'b'), { format: FORMAT }))
  expect(batches.reduce((sum, batch) => sum + batch.rowCount, 0)).toBe(25_000)
  expect(Math.max(...batches.map((batch) => batch.rowCount))).toBeLessThanOrEqual(10_000)
})

test('a cut is found at a record start or not at all, for every window of random CSV', () => {
  const next = random(7)
  let found = 0
  for (let round = 0; round < 30; round++) {
    const rows = Array.from({ length: 60 }, (_, row) => [
      String(row),
      next() < 0.5 ? `"line 1,${row}\nsays ""x"",\n${'y'.repeat(Math.floor(next() * 30))}"` : 'plain',
      next() < 0.3 ? '""' : 'z',
    ])
    const lines = rows.map((row) => `${row.join(',')}\n`)
    const starts = new Set<number>()
    let at = 0
    for (const line of lines) {
      starts.add(at)
      at += line.length
    }
    const bytes = new TextEncoder().encode(lines.join(''))
    for (let from = 1; from < bytes.length; from += 3) {
      const cut = findCsvCut(bytes.subarray(from), bytes[from - 1] as number, 3, FORMAT)
      if (cut === undefined) continue
      found++
      expect([round, from, starts.has(from + cut) || from + cut === bytes.length]).toEqual([round, from, true])
    }
  }
  expect(found).toBeGreaterThan(10_000)
})
