import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { readChunk } from '../../../src/connectors/postgres/read.ts'
import { addChecksums } from '../../../src/core/checksum.ts'
import { nodeIo } from '../../support/node-io.ts'
import { chunksOf, Database, faultFrom, open, readLines, request, textOf } from './support.ts'

let database: Database
beforeAll(async () => {
  database = await Database.create(inject('postgres'), 'pg_chunks')
  await database.run(`
    CREATE TABLE plain (id int PRIMARY KEY, v text); INSERT INTO plain SELECT i, repeat(md5(i::text), 5) FROM generate_series(1, 20000) i; DELETE FROM plain WHERE id % 7 = 0; ANALYZE plain;
    CREATE TABLE parted (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
    CREATE TABLE parted_a PARTITION OF parted FOR VALUES FROM (0) TO (15000);
    CREATE TABLE parted_b PARTITION OF parted FOR VALUES FROM (15000) TO (16000) PARTITION BY LIST (id);
    CREATE TABLE parted_b1 (v text, id int NOT NULL); ALTER TABLE parted_b ATTACH PARTITION parted_b1 DEFAULT;
    CREATE TABLE "parted ""c" PARTITION OF parted DEFAULT; CREATE TABLE parted_empty PARTITION OF parted FOR VALUES FROM (-10) TO (0);
    INSERT INTO parted SELECT i, repeat(md5(i::text), 5) FROM generate_series(1, 20000) i;
    CREATE TABLE parent (id int, v text); CREATE TABLE child (extra int) INHERITS (parent); CREATE TABLE grandchild () INHERITS (child);
    INSERT INTO parent SELECT i, 'p' FROM generate_series(1, 3000) i; INSERT INTO child SELECT i, 'c', 1 FROM generate_series(3001, 6000) i; INSERT INTO grandchild SELECT i, 'g', 1 FROM generate_series(6001, 9000) i;
    CREATE MATERIALIZED VIEW matview AS SELECT * FROM plain;`)
})
afterAll(async () => {
  await database.run('DROP DATABASE pg_chunks WITH (FORCE)', 'postgres')
})

const digest = (lines: string[]) =>
  createHash('md5')
    .update([...lines].sort().join('\n'))
    .digest('hex')

describe('the sum of all chunks', () => {
  test.each(['plain', 'parted', 'parent', 'matview'])('of %s is the whole table, whatever the size of a chunk', async (table) => {
    const whole = await database.run(`SELECT id || E'\\t' || v AS line FROM ${table}`)
    const expected = digest(whole.map((row) => String(row.line)))
    const source = database.source()
    const description = await source.describe(request(table))
    const counts: number[] = []
    for (const target of [200_000, 700_000, 1_000_000, 1 << 30]) {
      const lines = await readLines(source, description, target)
      expect(lines).toHaveLength(whole.length)
      expect(digest(lines)).toBe(expected)
      counts.push((await chunksOf(source, description, target)).length)
    }
    expect(counts[0]).toBeGreaterThan(1)
    expect(counts.at(-1)).toBe(1)
    await source.close()
  })

  test('stays one state while the table grows, shrinks and is vacuumed, in a held snapshot', async () => {
    await database.run(
      `CREATE TABLE lively (id int, v text); INSERT INTO lively SELECT i, repeat('x', 200) FROM generate_series(1, 10000) i; ANALYZE lively`,
    )
    const before = (await database.run(`SELECT id || E'\\t' || v AS line FROM lively`)).map((row) => String(row.line))
    const source = database.source()
    const snapshot = await source.holdSnapshot()
    const description = await source.describe(request('lively'))
    const lines: string[] = []
    for (const [at, chunk] of (await chunksOf(source, description, 500_000)).entries()) {
      await database.run(`INSERT INTO lively SELECT i, 'new' FROM generate_series(1, 5000) i`)
      await database.run(`UPDATE lively SET v = 'changed' WHERE id % 3 = ${at % 3}`)
      await database.run(`DELETE FROM lively WHERE id % 5 = ${at % 5}`)
      await database.run('VACUUM lively')
      lines.push(...(await textOf(await open(source, description, chunk, snapshot.token))).text.split('\n').slice(0, -1))
      await snapshot.keepAlive()
    }
    expect(digest(lines)).toBe(digest(before))
    await snapshot.release()
    await source.close()
  })

  test.each(['TRUNCATE rewritten', 'VACUUM FULL rewritten', 'ALTER TABLE rewritten ALTER id TYPE bigint', 'DROP TABLE rewritten'])(
    '%s in the middle is a fault, never missing rows',
    async (statement) => {
      await database.run(
        `DROP TABLE IF EXISTS rewritten; CREATE TABLE rewritten (id int, v text); INSERT INTO rewritten SELECT i, repeat('x', 200) FROM generate_series(1, 5000) i`,
      )
      const source = database.source()
      const description = await source.describe(request('rewritten'))
      const snapshot = await source.holdSnapshot()
      const [first, second] = await chunksOf(source, description, 300_000)
      if (!first || !second) throw new Error('too few chunks')
      await textOf(await open(source, description, first, snapshot.token))
      await database.run(statement)
      const fault = await faultFrom(open(source, description, second, snapshot.token))
      expect(fault).toMatchObject(
        statement.startsWith('DROP') ? { tag: 'missing' } : { tag: 'rejected', code: 'table-rewritten', place: { resource: 'rewritten' } },
      )
      await snapshot.release()
      await source.close()
    },
  )

  test('a chunk read twice, by another opened source, gives the same bytes', async () => {
    const source = database.source()
    const snapshot = await source.holdSnapshot()
    const description = JSON.parse(JSON.stringify(await source.describe(request('plain'))))
    const [, chunk] = await chunksOf(source, description, 500_000)
    if (!chunk) throw new Error('too few chunks')
    const other = database.source()
    const token = JSON.parse(JSON.stringify(snapshot.token))
    const [one, two] = await Promise.all([
      open(source, description, chunk, token).then(textOf),
      open(other, description, chunk, token).then(textOf),
    ])
    expect(one.text).toBe(two.text)
    expect(one.rows).toBeGreaterThan(0)
    await snapshot.release()
    await Promise.all([source.close(), other.close()])
  })
})

describe('the content checksum', () => {
  test('follows the rule of core/checksum.ts and adds up over chunks', async () => {
    await database.run(`
      CREATE TABLE sums (b bool, i int8, f4 float4, f8 float8, n numeric(12,3), t text, j jsonb, y bytea, d date, ts timestamp, tz timestamptz, u uuid, m money, p text);
      INSERT INTO sums VALUES (true, -5, 0.1, -0.5, 1.5, E'tab\\t', '{"a": 1}', '\\x00ff', '2024-02-29', '1969-12-31 23:59:59.999999', '2024-01-01 00:00:00.5+01', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 12.5, 'hide');
      INSERT INTO sums (f8, ts) VALUES ('NaN', '1888-01-01 00:00:00.000001'); INSERT INTO sums DEFAULT VALUES`)
    const source = database.source()
    const description = await source.describe(request('sums', { rules: { exclude: [], pseudonymize: ['p'] } }))
    const [chunk] = await chunksOf(source, description)
    if (!chunk || !source.checksum) throw new Error('no chunk')
    const names = description.schema.fields.map(({ name }) => name)
    const found = await source.checksum(description, chunk, names, { pseudonymSalt: 'salt' })
    const float = (bytes: 4 | 8, value: number) => {
      const view = Buffer.alloc(bytes)
      if (bytes === 4) view.writeFloatBE(value)
      else view.writeDoubleBE(value)
      return view.toString('hex')
    }
    const micros = (seconds: number, fraction: number) => String(BigInt(seconds) * 1_000_000n + BigInt(fraction))
    const nulls = new Array<string | null>(names.length).fill(null)
    const rows: (string | null)[][] = [
      [
        't',
        '-5',
        float(4, 0.1),
        float(8, -0.5),
        '1.500',
        'tab\t',
        '{"a": 1}',
        '00ff',
        '2024-02-29',
        micros(-1, 999_999),
        micros(Date.UTC(2023, 11, 31, 23) / 1000, 500_000),
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
        '12.50',
        createHash('sha256').update('hidesalt').digest('hex'),
      ],
      nulls.with(3, 'nan').with(9, micros(Date.UTC(1888, 0, 1) / 1000, 1)),
      nulls,
    ]
    const expected = rows
      .map((row) => row.map((value) => (value === null ? 'N' : `V${value}`)).join('\u001f'))
      .map((text) => BigInt(`0x${createHash('md5').update(text).digest('hex').slice(0, 8)}`))
      .reduce((sum, number) => sum + number, 0n)
    expect(found).toBe(String(expected))
    await source.close()
  })

  test('of all chunks is that of the table, within the snapshot', async () => {
    const source = database.source()
    const description = await source.describe(request('parted'))
    const snapshot = await source.holdSnapshot()
    const options = { pseudonymSalt: '', snapshot: snapshot.token }
    const sum = async (target: number) => {
      let total = '0'
      for (const chunk of await chunksOf(source, description, target))
        total = addChecksums(total, await source.checksum(description, chunk, ['id', 'v'], options))
      return total
    }
    const whole = await sum(1 << 30)
    await database.run(`UPDATE parted SET v = 'changed' WHERE id = 5`)
    expect(await sum(300_000)).toBe(whole)
    await snapshot.release()
    await source.close()
  })

  test('refuses kinds it does not cover and fields that are not there', async () => {
    await database.run('CREATE TABLE no_sum (a int[], b time)')
    const source = database.source()
    const description = await source.describe(request('no_sum'))
    const [chunk] = await chunksOf(source, description)
    if (!chunk) throw new Error('no chunk')
    expect(await faultFrom(source.checksum(description, chunk, ['a'], { pseudonymSalt: '' }))).toMatchObject({
      tag: 'unsupported',
      place: { column: 'a' },
    })
    expect(await faultFrom(source.checksum(description, chunk, ['z'], { pseudonymSalt: '' }))).toMatchObject({ tag: 'invalid-request' })
    await source.close()
  })
})

test('large rows pass through: 64 MiB of text and as much of bytes in one row', async () => {
  await database.run(
    `CREATE TABLE heavy (id int, t text, b bytea); INSERT INTO heavy VALUES (1, repeat('0123456789abcdef', 4194304), decode(repeat('00ff', 8388608), 'hex'))`,
  )
  const source = database.source()
  const description = await source.describe(request('heavy'))
  const [chunk] = await chunksOf(source, description)
  if (!chunk) throw new Error('no chunk')
  const payload = await open(source, description, chunk)
  const hash = createHash('md5')
  let largest = 0
  for await (const bytes of payload.body) {
    largest = Math.max(largest, bytes.length)
    hash.update(bytes)
  }
  expect(await payload.completed).toEqual({ rows: 1, bytes: 2 + 67_108_864 + 1 + 33_554_432 + 1 })
  const expected = createHash('md5').update('1\t')
  for (let at = 0; at < 64; at++) expected.update('0123456789abcdef'.repeat(65_536))
  expected.update('\t')
  for (let at = 0; at < 32; at++) expected.update('00ff'.repeat(262_144))
  expect(hash.digest('hex')).toBe(expected.update('\n').digest('hex'))
  expect(largest).toBeLessThanOrEqual(256 * 1024)
  await source.close()
})

test('a query that is silent for longer than the idle timeout is waited for while the server works on it', async () => {
  await database.run('CREATE VIEW slow AS SELECT p.id FROM plain p, (SELECT pg_sleep(1.5)) AS pause LIMIT 1')
  const source = database.source()
  const description = await source.describe(request('slow'))
  const [chunk] = await chunksOf(source, description)
  if (!chunk) throw new Error('no chunk')
  const payload = await readChunk(database.config(), nodeIo(), description, chunk, { pseudonymSalt: '' }, 300)
  if (payload.via !== 'bytes') throw new Error('not bytes')
  expect((await textOf(payload)).rows).toBe(1)
  await source.close()
})
