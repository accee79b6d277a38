import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { CursorRange } from '../../../src/core/chunk.ts'
import { chunksOf, Database, faultFrom, readLines, request } from './support.ts'

let database: Database
beforeAll(async () => {
  database = await Database.create(inject('postgres'), 'pg_cursor')
})
afterAll(async () => {
  await database.run('DROP DATABASE pg_cursor WITH (FORCE)', 'postgres')
})

async function load(table: string, range: Partial<CursorRange>) {
  const source = database.source()
  try {
    const description = await source.describe(
      request(table, { cursor: { column: 'c', startInclusive: false, endInclusive: false, ...range } }),
    )
    return {
      description,
      rows: await readLines(source, description),
      next: description.nextCursor,
      chunks: await chunksOf(source, description),
    }
  } finally {
    await source.close()
  }
}

/** Type, values in order, of which the later ones come after the first load. */
const TYPES: [type: string, first: string[], later: string[]][] = [
  ['int2', ['-32768', '5'], ['6', '32767']],
  ['int8', ['-9223372036854775808', '9007199254740992'], ['9007199254740993', '9223372036854775807']],
  ['numeric', ['0.1', '12345678901234567890.123456789'], ['12345678901234567890.1234567891', '1e50']],
  ['numeric(20,4)', ['1.0001'], ['1.0002']],
  ['float8', ['-Infinity', '0.30000000000000004'], ['0.3000000000000001', '1e300']],
  ['float4', ['0.1'], ['0.10000001']],
  ['text', ['a', 'it\'s\t\\ "quoted" 😀'], ['z']],
  ['varchar(3)', ['a'], ['b']],
  ['char(4)', ['a'], ['b']],
  ['uuid', ['00000000-0000-0000-0000-000000000001'], ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']],
  ['date', ['0044-03-15 BC', '2024-02-29'], ['2024-03-01']],
  ['timestamp', ['2024-01-01 00:00:00.123456'], ['2024-01-01 00:00:00.123457']],
  ['timestamp(0)', ['2024-01-01 00:00:00'], ['2024-01-01 00:00:01']],
  ['timestamptz', ['2024-03-31 00:59:59.999999+00'], ['2024-03-31 01:00:00+00']],
  ['oid', ['1'], ['4294967295']],
  ['xid8', ['1'], ['18446744073709551615']],
  ['pg_lsn', ['0/1'], ['16/B374D848']],
  ['time', ['00:00:00'], ['23:59:59.999999']],
]

describe('continuing from a cursor', () => {
  test.each(TYPES)('%s: the second load reads exactly what came after the first, the third nothing', async (type, first, later) => {
    const insert = (values: string[]) =>
      database.run(`INSERT INTO grows SELECT v::${type} FROM json_array_elements_text($json$${JSON.stringify(values)}$json$) v`)
    await database.run(
      `ALTER DATABASE pg_cursor SET timezone = 'Europe/Berlin'; ALTER DATABASE pg_cursor SET datestyle = 'SQL, DMY'; DROP TABLE IF EXISTS grows; CREATE TABLE grows (c ${type})`,
    )
    await insert(first)
    const one = await load('grows', {})
    expect(one.rows).toHaveLength(first.length)
    await insert(later)
    const two = await load('grows', { start: one.next })
    expect(two.rows).toHaveLength(later.length)
    const three = await load('grows', { start: two.next })
    expect(three.rows).toEqual([])
    expect(three.next).toBeUndefined()
    expect(three.chunks).toHaveLength(1)
    expect(three.chunks[0]?.id).toBe('0000001')
  })

  test('the upper end is fixed when the stream is described', async () => {
    await database.run('CREATE TABLE moving (c int); INSERT INTO moving VALUES (1), (2)')
    const source = database.source()
    const description = await source.describe(request('moving', { cursor: { column: 'c', startInclusive: false, endInclusive: false } }))
    await database.run('INSERT INTO moving VALUES (2), (3)')
    expect((await readLines(source, description)).sort()).toEqual(['1', '2', '2'])
    expect(description.nextCursor).toBe('2')
    await source.close()
  })

  test('in a held snapshot the end is one that the chunks can see', async () => {
    await database.run('CREATE TABLE racing (c int); INSERT INTO racing VALUES (1)')
    const source = database.source()
    const snapshot = await source.holdSnapshot()
    await database.run('INSERT INTO racing VALUES (2)')
    const description = await source.describe(request('racing', { cursor: { column: 'c', startInclusive: false, endInclusive: false } }))
    expect(description.nextCursor).toBe('1')
    expect(await readLines(source, description, 1 << 30, snapshot.token)).toEqual(['1'])
    await snapshot.release()
    expect(
      (await source.describe(request('racing', { cursor: { column: 'c', startInclusive: false, endInclusive: false } }))).nextCursor,
    ).toBe('2')
    await source.close()
  })

  test('both ends open or closed', async () => {
    await database.run('CREATE TABLE ends (c int); INSERT INTO ends SELECT generate_series(1, 9)')
    const rows = async (range: Partial<CursorRange>) => (await load('ends', range)).rows.map(Number).sort()
    expect(await rows({ start: '3', end: '6' })).toEqual([4, 5])
    expect(await rows({ start: '3', end: '6', startInclusive: true })).toEqual([3, 4, 5])
    expect(await rows({ start: '3', end: '6', endInclusive: true })).toEqual([4, 5, 6])
    expect(await rows({ start: '3', end: '6', startInclusive: true, endInclusive: true })).toEqual([3, 4, 5, 6])
    expect(await rows({ end: '3' })).toEqual([1, 2])
    expect((await load('ends', { start: '3', end: '6' })).next).toBe('5')
  })

  test('rows without a value, NaN and infinity come with the first load and never again', async () => {
    for (const [type, odd] of [
      ['timestamptz', 'infinity'],
      ['float8', 'NaN'],
      ['float8', 'Infinity'],
      ['numeric', 'NaN'],
      ['numeric', 'Infinity'],
      ['date', 'infinity'],
    ]) {
      const value = type === 'date' || type === 'timestamptz' ? "'2024-01-01'" : '5'
      await database.run(`DROP TABLE IF EXISTS odd; CREATE TABLE odd (c ${type}); INSERT INTO odd VALUES (NULL), ('${odd}'), (${value})`)
      const first = await load('odd', {})
      expect(first.rows).toHaveLength(3)
      expect(first.description.notes.join()).toContain('first load')
      const next = type === 'date' || type === 'timestamptz' ? "'2024-01-02'" : '6'
      await database.run(`INSERT INTO odd VALUES (${next}), (NULL), ('${odd}')`)
      expect((await load('odd', { start: first.next })).rows).toHaveLength(1)
    }
    await database.run('CREATE TABLE only_null (c int); INSERT INTO only_null VALUES (NULL), (NULL)')
    const first = await load('only_null', {})
    expect(first.rows).toHaveLength(2)
    expect(first.next).toBeUndefined()
  })

  test('a lag reads again what lies that far behind, in seconds or units, and never moves the cursor back', async () => {
    await database.run(`
      CREATE TABLE lag_int (c int2); INSERT INTO lag_int SELECT generate_series(1, 9); CREATE TABLE lag_num (c numeric); INSERT INTO lag_num VALUES (0.5), (1), (1.5);
      CREATE TABLE lag_ts (c timestamptz); INSERT INTO lag_ts SELECT '2024-01-01 00:00+00'::timestamptz + i * interval '1 minute' FROM generate_series(0, 9) i;
      CREATE TABLE lag_date (c date); INSERT INTO lag_date SELECT '2024-01-01'::date + i FROM generate_series(0, 9) i; CREATE TABLE lag_text (c text); INSERT INTO lag_text VALUES ('a')`)
    const again = await load('lag_int', { start: '9', lag: 3 })
    expect(again.rows.map(Number).sort()).toEqual([7, 8, 9])
    expect(again.next).toBe('9')
    expect((await load('lag_int', { start: '-32760', lag: 100 })).rows).toHaveLength(9)
    expect((await load('lag_num', { start: '1.5', lag: 0.75 })).rows).toEqual(['1', '1.5'])
    expect((await load('lag_ts', { start: '2024-01-01 00:09:00+00', lag: 120 })).rows).toHaveLength(2)
    expect((await load('lag_date', { start: '2024-01-10', lag: 86_400 })).rows).toEqual(['2024-01-10'])
    await database.run('DELETE FROM lag_int WHERE c > 8')
    const fewer = await load('lag_int', { start: '9', lag: 3 })
    expect(fewer.rows.map(Number).sort()).toEqual([7, 8])
    expect(fewer.next).toBeUndefined()
    expect(await faultFrom(load('lag_text', { start: 'a', lag: 1 }))).toMatchObject({
      tag: 'invalid-request',
      issues: [{ path: 'cursor.lag' }],
    })
    expect(await faultFrom(load('lag_int', { start: '1', lag: -1 }))).toMatchObject({
      tag: 'invalid-request',
      issues: [{ path: 'cursor.lag' }],
    })
  })

  test('a column that is not there, has no order, or a start of another type is the request’s mistake', async () => {
    await database.run('CREATE TABLE wrong (c json, d int)')
    expect(await faultFrom(load('wrong', {}))).toMatchObject({
      tag: 'invalid-request',
      issues: [{ path: 'cursor.column', message: expect.stringContaining('type json') }],
    })
    expect(await faultFrom(load('wrong', { column: 'nope' }))).toMatchObject({
      tag: 'invalid-request',
      issues: [{ path: 'cursor.column' }],
    })
    expect(await faultFrom(load('wrong', { column: 'd', start: 'soon' }))).toMatchObject({
      tag: 'invalid-request',
      issues: [{ path: 'cursor.start' }],
    })
    expect(await faultFrom(load('wrong', { column: 'd', end: '99999999999' }))).toMatchObject({
      tag: 'invalid-request',
      issues: [{ path: 'cursor.end' }],
    })
  })

  test('cuts a large increment into chunks that together hold it once', async () => {
    await database.run(
      `CREATE TABLE large (c int, pad text); INSERT INTO large SELECT i, repeat('x', 200) FROM generate_series(1, 20000) i; ANALYZE large`,
    )
    const source = database.source()
    const description = await source.describe(
      request('large', { cursor: { column: 'c', start: '1000', startInclusive: false, endInclusive: false } }),
    )
    expect((await chunksOf(source, description, 500_000)).length).toBeGreaterThan(3)
    const ids = (await readLines(source, description, 500_000)).map((line) => Number(line.split('\t')[0])).sort((a, b) => a - b)
    expect(ids).toEqual(Array.from({ length: 19_000 }, (_, at) => at + 1001))
    await source.close()
  })
})
