import Papa from 'papaparse'
import { expect, test } from 'vitest'
import { fileOptions } from '../../../src/connectors/shared/file-options.ts'
import { FileSource } from '../../../src/connectors/shared/file-source.ts'
import type { ByteRange, ObjectStore, StoredObject } from '../../../src/connectors/shared/object-store.ts'
import type { Chunk } from '../../../src/core/chunk.ts'
import { faultOf } from '../../../src/core/errors.ts'
import { nodeIo } from '../../support/node-io.ts'
import { all, describe, random, readTable } from './file-table.ts'

function memoryStore(files: Record<string, string>): ObjectStore {
  return {
    system: 'memory',
    address: 'memory',
    check: async () => {},
    async *list() {
      for (const [key, body] of Object.entries(files)) yield { key, size: Buffer.byteLength(body), etag: '"1"', ranges: true }
    },
    async open(object: StoredObject, range: ByteRange | undefined) {
      const bytes = new Uint8Array(Buffer.from(files[object.key] ?? '')).slice(range?.from ?? 0, range?.to)
      const body = new ReadableStream({
        type: 'bytes',
        start(controller) {
          if (bytes.length > 0) controller.enqueue(bytes.slice())
          controller.close()
        },
      })
      return { body, bytes: bytes.length }
    },
  }
}
const open = (files: Record<string, string>, options = {}) => new FileSource(memoryStore(files), fileOptions.parse(options), nodeIo())

test('random CSV cut at every target size: the chunks together are all records, each exactly once', async () => {
  const next = random(42)
  const words = ['plain', 'with "quotes"', 'two\nlines', 'a,b', '', 'é𝄞', '\r\n', '"\n"']
  let chunks = 0
  for (let round = 0; round < 4; round++) {
    const rows = Array.from({ length: 40 }, (_, row) => [
      `r${row}`,
      words[Math.floor(next() * words.length)] ?? '',
      words[Math.floor(next() * words.length)] ?? '',
      'end',
    ])
    const csv = Papa.unparse([['key', 'b', 'c', 'd'], ...rows], { quotes: round % 2 === 0, newline: round % 3 === 0 ? '\r\n' : '\n' })
    const source = open({ 'x.csv': csv })
    const description = await describe(source, 'x.csv')
    const whole = await readTable(source, description, 'bytes')
    expect(whole.rows.map((row) => row[0])).toEqual(rows.map((row) => row[0]))
    for (let target = 20; target < csv.length; target += 83) {
      for (const lane of target % 2 ? (['bytes'] as const) : (['records'] as const)) {
        try {
          const table = await readTable(source, description, lane, target)
          expect(table.rows, `round ${round}, target ${target}`).toEqual(whole.rows)
          expect(table.counted.reduce((sum: number, rows) => sum + (rows ?? 0), 0)).toBe(rows.length)
          expect(table.chunkIds).toEqual([...new Set(table.chunkIds)].sort())
          chunks += table.chunkIds.length
        } catch (error) {
          // A guessed cut may be wrong; what counts is that it is noticed.
          expect([target, faultOf(error).tag]).toEqual([target, 'misplaced-cut'])
        }
      }
    }
  }
  expect(chunks).toBeGreaterThan(100)
}, 60_000)

test('JSON lines cut at every target size: all records, each exactly once, never a wrong cut', async () => {
  const lines = Array.from({ length: 50 }, (_, row) => JSON.stringify({ row, text: 'x\n"é'.repeat(row % 7) })).join('\n')
  const source = open({ 'x.jsonl': lines })
  const description = await describe(source, 'x.jsonl')
  for (let target = 5; target < lines.length; target += 61) {
    const table = await readTable(source, description, 'bytes', target)
    expect(table.rows.map((row) => row[0])).toEqual(Array.from({ length: 50 }, (_, row) => BigInt(row)))
  }
}, 60_000)

test('a plan can be taken up behind any chunk and goes on the same way', async () => {
  const csv = `id,v\n${Array.from({ length: 300 }, (_, row) => `${row},"a, ${row}"`).join('\n')}\n`
  const source = open({ 'a.csv': csv, 'b.csv': 'id,v\n', 'c.csv': csv })
  const description = await describe(source, '*.csv')
  const planned = await all(source.plan(description, 500))
  expect(planned.length).toBeGreaterThan(12)
  for (const [index, chunk] of planned.entries()) {
    const after = JSON.parse(JSON.stringify(chunk)) as Chunk
    expect(await all(source.plan(description, 500, after))).toEqual(planned.slice(index + 1))
  }
})

test('a cut inside quotes is noticed by the chunk in front of it, and whole objects are the way out', async () => {
  // A field that looks exactly like records for longer than the cut finder looks.
  const trap = `1,"${'7,8\n'.repeat(5000)}"\n`
  const csv = `id,v\n${trap.repeat(3)}`
  const source = open({ 'x.csv': csv })
  const description = await describe(source, 'x.csv')
  const failure = await readTable(source, description, 'bytes', 4000).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(faultOf(failure).tag).toBe('misplaced-cut')
  const again = { ...description, details: { ...(description.details as object), wholeObjects: true } }
  expect((await readTable(source, again, 'bytes', 4000)).counted).toEqual([3])
  expect((await readTable(source, description, 'bytes', Number.POSITIVE_INFINITY)).counted).toEqual([3])
})

test('a header alone is a table without rows; nothing at all is a fault', async () => {
  const source = open({ 'x.csv': 'id,v' })
  const description = await describe(source, 'x.csv')
  const table = await readTable(source, description, 'bytes')
  expect([description.schema.fields.map((field) => field.name), table.rows, table.counted]).toEqual([['id', 'v'], [], [0]])
  const failure = await describe(open({ 'x.csv': '' }), 'x.csv').then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(faultOf(failure)).toMatchObject({ tag: 'bad-data', message: expect.stringMatching(/empty/) })
})

test('a file without a header passes through with one; renamed columns do too', async () => {
  const source = open({ 'x.csv': '1,a\n2,b\n' })
  const description = await describe(source, 'x.csv')
  expect(description.notes.join()).toMatch(/no header/)
  expect((await readTable(source, description, 'bytes')).rows).toEqual([
    [1n, 'a'],
    [2n, 'b'],
  ])
  const doubled = open({ 'y.csv': 'a,a,\n1,x,y\n' })
  expect((await readTable(doubled, await describe(doubled, 'y.csv'), 'bytes')).rows).toEqual([[1n, 'x', 'y']])
})

test('text columns and full inference are ways out of a wrong guess, and the fault says so', async () => {
  const line = `1,${'y'.repeat(200)}\n`
  const csv = `id,v\n${line.repeat(50_000)}x,y\n`
  const sampled = open({ 'x.csv': csv })
  const description = await describe(sampled, 'x.csv')
  // The windows reach the end of the file, so even a sample sees the last value.
  expect(description.schema.fields[0]?.type.kind).toBe('string')
  const hidden = `id,v\n${line.repeat(48_000)}x,y\n${line.repeat(2_000)}`
  const fooled = open({ 'x.csv': hidden })
  const wrong = await describe(fooled, 'x.csv')
  expect(wrong.schema.fields[0]?.type.kind).toBe('int')
  const failure = await readTable(fooled, wrong, 'records').then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(faultOf(failure)).toMatchObject({
    tag: 'bad-data',
    remedy: expect.stringMatching(/text_columns.*infer=full/),
    place: { column: 'id', record: 48_001 },
  })
  expect((await describe(open({ 'x.csv': hidden }, { textColumns: ['id'] }), 'x.csv')).schema.fields[0]?.type.kind).toBe('string')
  expect((await describe(open({ 'x.csv': hidden }, { infer: 'full' }), 'x.csv')).schema.fields[0]?.type.kind).toBe('string')
}, 60_000)
