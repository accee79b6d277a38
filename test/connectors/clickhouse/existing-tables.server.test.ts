import { beforeAll, describe, expect, inject, test } from 'vitest'
import type { DataType } from '../../../src/core/schema.ts'
import { each, faultFrom, field, load, MemoryJournal, open, payloadOf, Server, stage, target } from './loading.ts'

const server = new Server(inject('clickhouse').url)
let database = ''
let number = 0
beforeAll(async () => {
  database = await server.database()
})

const FIELDS = [field('id', 'int', false), field('name', 'string')]
const definition = (table: string) =>
  server.query(
    `SELECT replaceAll(create_table_query, '${database}.${table} ', '') FROM system.tables WHERE database = '${database}' AND name = '${table}'`,
  )

async function made(body: string, rows = "(1, 'old'), (2, 'old')"): Promise<string> {
  const table = `t${number++}`
  await server.query(`CREATE TABLE ${database}.${table} ${body}`)
  if (rows !== '') await server.query(`INSERT INTO ${database}.${table} (id, name) VALUES ${rows}`)
  return table
}

describe('tables of every kind take an append and an upsert, and keep their definition', () => {
  test.each([
    ['Nullable key', '(id Nullable(Int64), name Nullable(String)) ENGINE = MergeTree ORDER BY id SETTINGS allow_nullable_key = 1'],
    ['ORDER BY tuple()', '(id Int64, name Nullable(String)) ENGINE = MergeTree ORDER BY tuple()'],
    ['PARTITION BY', '(id Int64, name Nullable(String)) ENGINE = MergeTree PARTITION BY id % 3 ORDER BY id'],
    ['ReplacingMergeTree', '(id Int64, name Nullable(String)) ENGINE = ReplacingMergeTree ORDER BY id'],
    ['LowCardinality', '(id Int64, name LowCardinality(Nullable(String))) ENGINE = MergeTree ORDER BY id'],
    [
      'MATERIALIZED, ALIAS, DEFAULT',
      '(id Int64, name Nullable(String), m Int64 MATERIALIZED id * 2, a Int64 ALIAS id + 1, d Int64 DEFAULT 7) ENGINE = MergeTree ORDER BY id',
    ],
    ['skip index', '(id Int64, name Nullable(String), INDEX i name TYPE bloom_filter GRANULARITY 1) ENGINE = MergeTree ORDER BY id'],
    ['projection', '(id Int64, name Nullable(String), PROJECTION p (SELECT name, count() GROUP BY name)) ENGINE = MergeTree ORDER BY id'],
    ['constraint', '(id Int64, name Nullable(String), CONSTRAINT c CHECK id > 0) ENGINE = MergeTree ORDER BY id'],
    ['TTL', '(id Int64, name Nullable(String), at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY id TTL at + INTERVAL 1 YEAR'],
    ['PRIMARY KEY ≠ ORDER BY', '(id Int64, name String) ENGINE = MergeTree PRIMARY KEY id ORDER BY (id, name)'],
    [
      'codec and comments',
      "(id Int64 CODEC(Delta, ZSTD), name Nullable(String) COMMENT 'a name') ENGINE = MergeTree ORDER BY id COMMENT 'the table'",
    ],
  ])('%s', async (_kind, body) => {
    const table = await made(body)
    const before = await definition(table)
    const fields = [field('id', 'int', false), field('name', 'string', !body.includes('name String'))]
    await load(open(server.url, { database }), target(table, fields, { type: 'append' }), ['3\tnew\n', '4\tnew\n'])
    await load(open(server.url, { database }), target(table, fields, { type: 'upsert', key: ['id'] }), ['2\tupserted\n5\tupserted\n'])
    expect(
      await server.lines(
        `SELECT id, name FROM ${database}.${table} FINAL ORDER BY id`.replace(body.includes('Replacing') ? '' : ' FINAL', ''),
      ),
    ).toEqual(['1\told', '2\tupserted', '3\tnew', '4\tnew', '5\tupserted'])
    expect(await definition(table)).toBe(before)
    if (body.includes('DEFAULT 7'))
      expect(await server.lines(`SELECT m, a, d FROM ${database}.${table} WHERE id = 5`)).toEqual(['10\t6\t7'])
  })
})

describe('structure', () => {
  test('a column that is missing is added, and old rows hold NULL there; the plan shows the statement', async () => {
    const table = await made('(id Int64, name Nullable(String)) ENGINE = MergeTree ORDER BY id')
    const result = await load(open(server.url, { database }), target(table, [...FIELDS, field('extra', 'decimal')]), ['3\tnew\t1.50\n'])
    expect(result.plan.statements).toEqual([`ALTER TABLE \`${database}\`.\`${table}\` ADD COLUMN \`extra\` Nullable(Decimal(10, 2))`])
    expect(await server.lines(`SELECT id, extra FROM ${database}.${table} ORDER BY id`)).toEqual(['1\t\\N', '2\t\\N', '3\t1.5'])
  })

  test('a narrower column is widened and keeps its values', async () => {
    const table = await made('(id Int64, name String, n Int16 DEFAULT -5, f Float32 DEFAULT 0.5) ENGINE = MergeTree ORDER BY id')
    const fields = [...FIELDS, field('n', { kind: 'int', bits: 64, signed: true }, false), field('f', 'float', false)]
    await load(open(server.url, { database }), target(table, fields), ['3\t\\N\t9223372036854775807\t0.1\n'])
    expect(
      await server.lines(`SELECT id, name, n, f, toTypeName(n), toTypeName(f), toTypeName(name) FROM ${database}.${table} ORDER BY id`),
    ).toEqual([
      '1\told\t-5\t0.5\tInt64\tFloat64\tNullable(String)',
      '2\told\t-5\t0.5\tInt64\tFloat64\tNullable(String)',
      '3\t\\N\t9223372036854775807\t0.1\tInt64\tFloat64\tNullable(String)',
    ])
  })

  test('nothing changes before the commit', async () => {
    const table = await made('(id Int64, name Nullable(String)) ENGINE = MergeTree ORDER BY id')
    const before = await definition(table)
    const destination = open(server.url, { database })
    const staged = await stage(destination, target(table, [...FIELDS, field('extra', 'int')]), ['3\tnew\t1\n'])
    expect(await definition(table)).toBe(before)
    expect(await server.query(`SELECT count() FROM ${database}.${table}`)).toBe('2')
    await destination.abort(staged.prepared)
    expect(await definition(table)).toBe(before)
  })

  test.each<[string, DataType, string]>([
    ['n Int64', { kind: 'string' }, 'String into Int64'],
    ['n Date', { kind: 'timestamp', zoned: true, fractionDigits: 6 }, 'timestamp into Date'],
    ['n Array(Int32)', { kind: 'array', of: { kind: 'int', bits: 32, signed: true } }, 'array of other items'],
    ['n Int64 MATERIALIZED 1', { kind: 'int', bits: 64, signed: true }, 'a computed column'],
  ])('%s conflicts, and the fault names the column', async (column, type) => {
    const table = await made(`(id Int64, name Nullable(String), ${column}) ENGINE = MergeTree ORDER BY id`)
    const fault = await faultFrom(open(server.url, { database }).plan(target(table, [...FIELDS, field('n', type)])))
    expect(fault).toMatchObject({ tag: 'schema-conflict', place: { column: 'n', resource: `${database}.${table}` } })
    expect(fault.remedy).not.toBe('')
  })

  test('a column that only the destination has becomes Nullable instead of holding an invented 0', async () => {
    const table = await made('(id Int64, name Nullable(String), score Int64) ENGINE = MergeTree ORDER BY id')
    const result = await load(open(server.url, { database }), target(table, FIELDS), ['3\tnew\n'])
    expect(result.plan.notes.join()).toContain('"score"')
    expect(await server.lines(`SELECT id, score FROM ${database}.${table} ORDER BY id`)).toEqual(['1\t0', '2\t0', '3\t\\N'])
  })

  test('a table whose structure changes after the plan is left alone', async () => {
    const table = await made('(id Int64, name Nullable(String)) ENGINE = MergeTree ORDER BY id')
    const destination = open(server.url, { database })
    const { prepared, receipts } = await stage(destination, target(table, FIELDS), ['3\tnew\n'])
    await server.query(`ALTER TABLE ${database}.${table} ADD COLUMN other Int64`)
    expect(await faultFrom(destination.commit(prepared, each(receipts), new MemoryJournal()))).toMatchObject({ tag: 'schema-conflict' })
    await destination.abort(prepared)
    expect(await server.query(`SELECT count() FROM ${database}.${table}`)).toBe('2')
    expect((await server.leftovers(database)).filter((name) => name.includes((prepared as { tag: string }).tag))).toEqual([])
  })

  test('a view cannot be a destination', async () => {
    await server.query(`CREATE VIEW ${database}.v AS SELECT 1 AS id`)
    expect(await faultFrom(open(server.url, { database }).plan(target('v', FIELDS)))).toMatchObject({ tag: 'unsupported' })
  })

  test('a materialized view that would miss the rows is told in the plan; publish=insert feeds it', async () => {
    const table = await made('(id Int64, name Nullable(String)) ENGINE = MergeTree ORDER BY id')
    await server.query(
      `CREATE MATERIALIZED VIEW ${database}.mv_${table} ENGINE = MergeTree ORDER BY id AS SELECT id FROM ${database}.${table}`,
    )
    const plan = await open(server.url, { database }).plan(target(table, FIELDS))
    expect(plan.notes.join()).toContain(`mv_${table}`)
    const result = await load(open(server.url, { database, publish: 'insert' }), target(table, FIELDS), ['3\tnew\n', '4\tnew\n'])
    expect(result).toMatchObject({ foundRows: 2, tableRows: 4 })
    expect(result.notes.join()).toContain('not atomic')
    expect(await server.lines(`SELECT id FROM ${database}.mv_${table} ORDER BY id`)).toEqual(['3', '4'])
  })

  test('a table of another engine needs publish=insert, which then works', async () => {
    const table = await made('(id Int64, name Nullable(String)) ENGINE = Memory')
    expect(await faultFrom(open(server.url, { database }).plan(target(table, FIELDS)))).toMatchObject({
      tag: 'unsupported',
      remedy: expect.stringContaining('publish=insert'),
    })
    await load(open(server.url, { database, publish: 'insert' }), target(table, FIELDS), ['3\tnew\n'])
    expect(await server.query(`SELECT count() FROM ${database}.${table}`)).toBe('3')
  })
})

describe('databases', () => {
  const absent = () => `db_${crypto.randomUUID().replaceAll('-', '')}`

  test('F12: a database that is not there is created, and removed again when the load is given up', async () => {
    const dataset = absent()
    const destination = open(server.url, { database })
    const wanted = target('t', FIELDS, { type: 'append' }, { dataset })
    const plan = await destination.plan(wanted)
    expect(plan.statements[0]).toBe(`CREATE DATABASE IF NOT EXISTS \`${dataset}\` ENGINE = Atomic`)
    expect(await server.query(`EXISTS DATABASE ${dataset}`)).toBe('0')
    const { prepared } = await stage(destination, wanted, ['1\ta\n'])
    await destination.abort(prepared)
    await destination.abort(prepared)
    expect(await server.query(`EXISTS DATABASE ${dataset}`)).toBe('0')
  })

  test('it stays when it holds something', async () => {
    const dataset = absent()
    const destination = open(server.url, { database })
    const { prepared } = await stage(destination, target('t', FIELDS, { type: 'append' }, { dataset }), ['1\ta\n'])
    await server.query(`CREATE TABLE ${dataset}.mine (x Int8) ENGINE = MergeTree ORDER BY x`)
    await destination.abort(prepared)
    expect(await server.lines(`SELECT name FROM system.tables WHERE database = '${dataset}'`)).toEqual(['mine'])
  })
})

test('a zombie attempt writes a table of its own and changes nothing', async () => {
  const table = await made('(id Int64, name Nullable(String)) ENGINE = MergeTree ORDER BY id')
  const destination = open(server.url, { database })
  const { prepared, receipts } = await stage(destination, target(table, FIELDS), ['3\tnew\n'])
  await destination.write(prepared, { chunkId: 'c0000', attemptId: 'zombie' }, payloadOf('3\tzombie\n'), () => {})
  expect(await destination.commit(prepared, each(receipts), new MemoryJournal())).toMatchObject({ foundRows: 1, tableRows: 3 })
  await destination.abort(prepared)
  expect(await server.lines(`SELECT name FROM ${database}.${table} WHERE id = 3`)).toEqual(['new'])
})
