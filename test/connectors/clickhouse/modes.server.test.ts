import { beforeAll, describe, expect, inject, test } from 'vitest'
import type { WriteMode } from '../../../src/core/chunk.ts'
import { faultFrom, field, load, open, Server, target } from './loading.ts'

const server = new Server(inject('clickhouse').url)
let database = ''
beforeAll(async () => {
  database = await server.database()
})

const FIELDS = [field('id', 'int', false), field('name', 'string'), field('at', 'timestamp')]
const rows = (from: number, count: number, name: string) =>
  Array.from({ length: count }, (_, index) => `${from + index}\t${name}\t2024-01-02 03:04:05.000001+00\n`).join('')
let number = 0
const fresh = () => `t${number++}`
const read = (table: string) => server.lines(`SELECT id, name FROM ${database}.${table} ORDER BY id, name`)

describe('append', () => {
  test('F9, F17: creates the table and doubles the rows when it runs twice', async () => {
    const table = fresh()
    const destination = open(server.url, { database })
    const wanted = target(table, FIELDS, { type: 'append' }, { sourceKey: ['id'] })
    const first = await load(destination, wanted, [rows(0, 3, 'a'), rows(3, 2, 'b')])
    expect(first).toMatchObject({ foundRows: 5, tableRows: 5, foldedRows: 0 })
    expect(first.plan.statements).toEqual([
      `CREATE TABLE \`${database}\`.\`${table}\` (\`id\` Int64, \`name\` Nullable(String), \`at\` Nullable(DateTime64(6, 'UTC'))) ENGINE = MergeTree ORDER BY (\`id\`)`,
    ])
    const second = await load(destination, wanted, [rows(0, 3, 'a'), rows(3, 2, 'b')])
    expect(second).toMatchObject({ foundRows: 5, tableRows: 10, foldedRows: 0 })
    expect(second.plan.statements).toEqual([])
    expect(await read(table)).toEqual(['0\ta', '0\ta', '1\ta', '1\ta', '2\ta', '2\ta', '3\tb', '3\tb', '4\tb', '4\tb'])
    expect(await server.leftovers(database)).toEqual([])
  })

  test('a load without any chunk makes an empty table', async () => {
    const table = fresh()
    expect(await load(open(server.url, { database }), target(table, FIELDS), [])).toMatchObject({ foundRows: 0, tableRows: 0 })
    expect(await server.query(`SELECT count() FROM ${database}.${table}`)).toBe('0')
  })
})

describe('replace', () => {
  test('F16: leaves exactly the rows of the last load', async () => {
    const table = fresh()
    const wanted = target(table, FIELDS, { type: 'replace' })
    const destination = open(server.url, { database })
    await load(destination, wanted, [rows(0, 9, 'old')])
    expect(await load(destination, wanted, [rows(1, 1, 'new'), rows(2, 1, 'new')])).toMatchObject({
      foundRows: 2,
      tableRows: 2,
      foldedRows: 0,
    })
    expect(await load(destination, wanted, [rows(1, 1, 'new'), rows(2, 1, 'new')])).toMatchObject({
      foundRows: 2,
      tableRows: 2,
      foldedRows: 0,
    })
    expect(await read(table)).toEqual(['1\tnew', '2\tnew'])
  })

  test('replacing with nothing empties the table', async () => {
    const table = fresh()
    const wanted = target(table, FIELDS, { type: 'replace' })
    await load(open(server.url, { database }), wanted, [rows(0, 9, 'old')])
    expect(await load(open(server.url, { database }), wanted, [''])).toMatchObject({ foundRows: 0, tableRows: 0 })
    expect(await read(table)).toEqual([])
  })
})

describe('upsert', () => {
  const mode: WriteMode = { type: 'upsert', key: ['id'] }

  test('F18: one row per key with the newest value, also when it runs twice', async () => {
    const table = fresh()
    const destination = open(server.url, { database })
    await load(destination, target(table, FIELDS, mode), [rows(0, 4, 'old')])
    const wanted = target(table, FIELDS, mode)
    const chunks = [rows(2, 4, 'new'), rows(5, 1, 'newer')]
    expect(await load(destination, wanted, chunks)).toMatchObject({ foundRows: 4, foldedRows: 1, tableRows: 6 })
    expect(await load(destination, wanted, chunks)).toMatchObject({ foundRows: 4, foldedRows: 1, tableRows: 6 })
    expect(await read(table)).toEqual(['0\told', '1\told', '2\tnew', '3\tnew', '4\tnew', '5\tnewer'])
  })

  test('of several rows with one key the last one stays, within a chunk and across chunks', async () => {
    const table = fresh()
    await load(open(server.url, { database }), target(table, FIELDS, mode), [
      rows(1, 1, 'a') + rows(1, 1, 'b') + rows(2, 1, 'x') + rows(2, 1, 'y'),
      rows(1, 1, 'c') + rows(1, 1, 'd'),
    ])
    expect(await read(table)).toEqual(['1\td', '2\ty'])
  })

  test('a hard delete column removes rows of the table', async () => {
    const table = fresh()
    const fields = [field('id', 'int', false), field('name', 'string'), field('gone', 'boolean')]
    const wanted = target(table, fields, { type: 'upsert', key: ['id'], hardDelete: 'gone' })
    const destination = open(server.url, { database })
    await load(destination, wanted, ['1\ta\tf\n2\tb\tf\n3\tc\t\\N\n'])
    expect(await load(destination, wanted, ['1\ta\tt\n2\tB\tf\n9\tz\tt\n'])).toMatchObject({ foundRows: 1, foldedRows: 2, tableRows: 2 })
    expect(await read(table)).toEqual(['2\tB', '3\tc'])
  })

  test('keys of several columns, with text', async () => {
    const table = fresh()
    const fields = [field('id', 'int', false), field('name', 'string', false), field('v', 'int')]
    const wanted = target(table, fields, { type: 'upsert', key: ['id', 'name'] })
    await load(open(server.url, { database }), wanted, ['1\ta\t1\n1\tb\t1\n'])
    await load(open(server.url, { database }), wanted, ['1\tb\t2\n2\tb\t2\n'])
    expect(await server.lines(`SELECT * FROM ${database}.${table} ORDER BY id, name`)).toEqual(['1\ta\t1', '1\tb\t2', '2\tb\t2'])
  })

  test('a NULL key is a fault that names the column, and changes nothing', async () => {
    const table = fresh()
    await server.query(`CREATE TABLE ${database}.${table} (id Nullable(Int64), name Nullable(String)) ENGINE = MergeTree ORDER BY tuple()`)
    const wanted = target(table, [field('id', 'int'), field('name', 'string')], mode)
    expect(await faultFrom(load(open(server.url, { database }), wanted, ['1\ta\n\\N\tb\n']))).toMatchObject({
      tag: 'bad-data',
      place: { column: 'id' },
    })
    expect(await read(table)).toEqual([])
    const created = target(fresh(), [field('id', 'int'), field('name', 'string')], mode)
    expect(await faultFrom(load(open(server.url, { database }), created, ['1\ta\n\\N\tb\n']))).toMatchObject({
      tag: 'bad-data',
      place: { column: 'id' },
    })
  })
})

describe('delete-insert', () => {
  const FOUR = [field('id', 'int', false), field('name', 'string'), field('day', 'date', false), field('rank', 'int')]
  const wanted = (table: string, mode: Partial<Extract<WriteMode, { type: 'delete-insert' }>>) =>
    target(table, FOUR, { type: 'delete-insert', key: [], mergeKey: [], ...mode })

  test('a merge key replaces every row of the days that the load brings', async () => {
    const table = fresh()
    const destination = open(server.url, { database })
    await load(destination, wanted(table, { mergeKey: ['day'] }), ['1\ta\t2024-01-01\t1\n2\tb\t2024-01-01\t1\n3\tc\t2024-01-02\t1\n'])
    const result = await load(destination, wanted(table, { mergeKey: ['day'] }), ['7\tx\t2024-01-01\t1\n7\tx\t2024-01-01\t1\n'])
    expect(result).toMatchObject({ foundRows: 2, foldedRows: 0, tableRows: 3 })
    expect(await read(table)).toEqual(['3\tc', '7\tx', '7\tx'])
  })

  test.each([
    ['desc' as const, 'high'],
    ['asc' as const, 'low'],
  ])('sort %s picks the survivor of one key, NULL last', async (order, survivor) => {
    const table = fresh()
    const mode = { key: ['id'], sort: { column: 'rank', order } }
    const chunks = ['1\tlow\t2024-01-01\t-5\n1\tnull\t2024-01-01\t\\N\n', '1\thigh\t2024-01-02\t9\n1\tmid\t2024-01-02\t3\n']
    expect(await load(open(server.url, { database }), wanted(table, mode), chunks)).toMatchObject({
      foundRows: 1,
      foldedRows: 3,
      tableRows: 1,
    })
    expect(await read(table)).toEqual([`1\t${survivor}`])
  })

  test('both keys delete: what one of them names goes', async () => {
    const table = fresh()
    const destination = open(server.url, { database })
    const mode = { key: ['id'], mergeKey: ['day'] }
    await load(destination, wanted(table, mode), ['1\ta\t2024-01-01\t1\n2\tb\t2024-01-02\t1\n3\tc\t2024-01-03\t1\n'])
    expect(await load(destination, wanted(table, mode), ['1\tA\t2024-01-02\t1\n'])).toMatchObject({ foundRows: 1, tableRows: 2 })
    expect(await read(table)).toEqual(['1\tA', '3\tc'])
  })
})

describe('scd2', () => {
  const scd2 = (more: Partial<Extract<WriteMode, { type: 'scd2' }>> = {}): WriteMode => ({
    type: 'scd2',
    naturalKey: [],
    partitionKey: [],
    validFrom: 'valid_from',
    validTo: 'valid_to',
    activeRecord: null,
    boundary: null,
    ...more,
  })
  const versions = (table: string) =>
    server.lines(`SELECT id, name, toString(valid_from), toString(valid_to) FROM ${database}.${table} ORDER BY id, valid_from, name`)
  const FIELDS2 = [field('id', 'int', false), field('name', 'string')]
  const on = (day: number) => Date.UTC(2024, 0, day)
  const at = (day: number) => `2024-01-0${day} 00:00:00.000000`

  test('F23: a changed row is closed and a new version added; absent rows are closed; running twice changes nothing', async () => {
    const table = fresh()
    const destination = open(server.url, { database })
    const run = (day: number, data: string) => load(destination, target(table, FIELDS2, scd2(), { startedAtMs: on(day) }), [data])
    expect(await run(1, '1\ta\n2\tb\n3\t\\N\n')).toMatchObject({ foundRows: 3, foldedRows: 0, tableRows: 3 })
    expect(await run(2, '1\ta\n2\tB\n2\tB\n')).toMatchObject({ foundRows: 1, foldedRows: 2, tableRows: 4 })
    expect(await run(3, '1\ta\n2\tB\n2\tB\n')).toMatchObject({ foundRows: 0, foldedRows: 3, tableRows: 4 })
    expect(await versions(table)).toEqual([
      `1\ta\t${at(1)}\t\\N`,
      `2\tb\t${at(1)}\t${at(2)}`,
      `2\tB\t${at(2)}\t\\N`,
      `3\t\\N\t${at(1)}\t${at(2)}`,
    ])
    await run(4, '1\ta\n2\tB\n3\t\\N\n')
    expect((await versions(table)).slice(-1)).toEqual([`3\t\\N\t${at(4)}\t\\N`])
  })

  test('with a natural key only keys that the load brings are closed; a far date marks active rows', async () => {
    const table = fresh()
    const destination = open(server.url, { database })
    const mode = scd2({ naturalKey: ['id'], activeRecord: '9999-12-31', boundary: '2024-02-01' })
    await load(destination, target(table, FIELDS2, mode), ['1\ta\n2\tb\n'])
    const later = { ...mode, boundary: '2024-03-01' } as WriteMode
    expect(await load(destination, target(table, FIELDS2, later), ['1\tA\n'])).toMatchObject({ foundRows: 1, tableRows: 3 })
    expect(await versions(table)).toEqual([
      '1\ta\t2024-02-01 00:00:00.000000\t2024-03-01 00:00:00.000000',
      '1\tA\t2024-03-01 00:00:00.000000\t9999-12-31 00:00:00.000000',
      '2\tb\t2024-02-01 00:00:00.000000\t9999-12-31 00:00:00.000000',
    ])
  })

  test('a table that knew no validity gets it; its rows count as active', async () => {
    const table = fresh()
    await server.query(`CREATE TABLE ${database}.${table} (id Int64, name Nullable(String)) ENGINE = MergeTree ORDER BY id`)
    await server.query(`INSERT INTO ${database}.${table} VALUES (1, 'a'), (2, 'b')`)
    await load(open(server.url, { database }), target(table, FIELDS2, scd2(), { startedAtMs: on(5) }), ['1\ta\n'])
    expect(await versions(table)).toEqual(['1\ta\t\\N\t\\N', `2\tb\t\\N\t${at(5)}`])
  })
})
