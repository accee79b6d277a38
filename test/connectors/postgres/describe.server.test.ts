import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { Database, faultFrom, fields, readLines, request } from './support.ts'

let database: Database
beforeAll(async () => {
  database = await Database.create(inject('postgres'), 'pg_describe')
})
afterAll(async () => {
  await database.run('DROP DATABASE pg_describe WITH (FORCE)', 'postgres')
  await database.run('DROP ROLE IF EXISTS describe_reader', 'postgres')
})

async function read(stream: string, settings: Record<string, unknown> = {}) {
  const source = database.source(settings)
  try {
    const description = await source.describe(request(stream))
    return { description, rows: (await readLines(source, description)).map(fields) }
  } finally {
    await source.close()
  }
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`
const LONG = 'x'.repeat(63)
const NAMES = ['UPPER', 'with space', 'a.b', 'a"b', "a'b", 'select', '😀', 'ta\\b', LONG, 'ctrl\u0001\n', '日本', '%s', '$1', ' x ']

describe('names', () => {
  test.each(NAMES)('a table, a schema and columns named %j are found and read', async (name) => {
    await database.run(`CREATE TABLE ${quoted(name)} (${quoted(name)} int, t int); INSERT INTO ${quoted(name)} VALUES (1, 2)`)
    const plain = await read(name)
    expect(plain.rows).toEqual([['1', '2']])
    expect(plain.description.defaultTable).toBe(name)
    expect(plain.description.schema.fields.map((field) => field.name)).toEqual([name, 't'])
    await database.run(
      `CREATE SCHEMA ${quoted(`s${name}`.slice(0, 40))}; CREATE TABLE ${quoted(`s${name}`.slice(0, 40))}.${quoted(name)} AS SELECT 3 AS x`,
    )
    const schema = `s${name}`.slice(0, 40)
    expect((await read(`${schema}.${name}`)).rows).toEqual([['3']])
    expect((await read(`${quoted(schema)}.${quoted(name)}`)).rows).toEqual([['3']])
  })

  test('a table whose name contains a dot wins over schema.table', async () => {
    await database.run(`CREATE SCHEMA one; CREATE TABLE one.two AS SELECT 'schema' AS x; CREATE TABLE "one.two" AS SELECT 'dot' AS x`)
    expect((await read('one.two')).rows).toEqual([['dot']])
    expect((await read('one."two"')).rows).toEqual([['schema']])
  })

  test('a name of 64 bytes does not find the table that Postgres would cut it to', async () => {
    expect(await faultFrom(read(`${LONG}x`))).toMatchObject({ tag: 'missing' })
  })

  test('a missing table is told with the nearest names', async () => {
    await database.run('CREATE TABLE customers (id int); CREATE TABLE one.orders_archive (id int)')
    expect(await faultFrom(read('Custmers'))).toMatchObject({
      tag: 'missing',
      code: '42P01',
      message: 'There is no table or view "Custmers" in database "pg_describe"',
      remedy: expect.stringContaining('"customers"'),
      place: { side: 'source', system: 'postgres', address: `127.0.0.1:${inject('postgres').port}`, resource: 'Custmers' },
    })
    expect(await faultFrom(read('orders_archiv'))).toMatchObject({ remedy: expect.stringContaining('"one.orders_archive"') })
    expect(await faultFrom(read('public.zzzzzzzzzzzzzz'))).toMatchObject({
      tag: 'missing',
      remedy: expect.stringContaining('no table with a similar name'),
    })
  })

  test.each(['', '.', 'a.', '.b', '"', '"a', '""."x"', "'; DROP TABLE customers; --"])(
    'the name %j is missing, not an error',
    async (name) => {
      expect(await faultFrom(read(name))).toMatchObject({ tag: 'missing' })
    },
  )
})

describe('what is known of a table', () => {
  test('kinds: tables, views, materialized views and foreign tables', async () => {
    await database.run(`
      CREATE TABLE base (id int PRIMARY KEY, v text NOT NULL, g int GENERATED ALWAYS AS (id * 2) STORED, w int GENERATED ALWAYS AS (id * 3) VIRTUAL);
      INSERT INTO base SELECT i, 'v' || i FROM generate_series(1, 5) i; ANALYZE base;
      CREATE VIEW base_view AS SELECT id, v FROM base; CREATE MATERIALIZED VIEW base_matview AS SELECT id FROM base;
      CREATE EXTENSION postgres_fdw; CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '${inject('postgres').port}', dbname 'pg_describe');
      CREATE USER MAPPING FOR postgres SERVER loop OPTIONS (user 'postgres', password '${inject('postgres').password}');
      CREATE FOREIGN TABLE base_foreign (id int NOT NULL, v text) SERVER loop OPTIONS (table_name 'base');`)
    const table = await read('base')
    expect(table.rows).toHaveLength(5)
    expect(table.rows[1]).toEqual(['2', 'v2', '4', '6'])
    expect(table.description).toMatchObject({
      key: ['id'],
      estimatedRows: 5,
      estimatedBytes: expect.any(Number),
      consistency: 'snapshot',
      rulesApplied: true,
    })
    expect(table.description.schema.fields.map(({ nullable }) => nullable)).toEqual([false, false, true, true])
    const view = await read('base_view')
    expect(view.rows).toHaveLength(5)
    expect(view.description.schema.fields.map(({ nullable }) => nullable)).toEqual([true, true])
    expect((await read('base_matview')).rows).toHaveLength(5)
    const foreign = await read('base_foreign')
    expect(foreign.rows).toHaveLength(5)
    expect(foreign.description).toMatchObject({ consistency: 'chunk', schema: { fields: [{ nullable: true }, { nullable: true }] } })
  })

  test('a NOT NULL that was never validated is nullable', async () => {
    await database.run(
      'CREATE TABLE late (a int, b int NOT NULL); INSERT INTO late VALUES (NULL, 1); ALTER TABLE late ADD CONSTRAINT nn NOT NULL a NOT VALID',
    )
    const { description, rows } = await read('late')
    expect(description.schema.fields.map(({ nullable }) => nullable)).toEqual([true, false])
    expect(rows).toEqual([[null, '1']])
  })

  test('the key is the primary key in its order, else the smallest unique index over NOT NULL columns', async () => {
    await database.run(`
      CREATE TABLE k1 (a int, b int, c int, PRIMARY KEY (c, a));
      CREATE TABLE k2 (a int NOT NULL, b int NOT NULL, c int, UNIQUE (a, b), UNIQUE (c)); CREATE UNIQUE INDEX ON k2 (b) WHERE a > 0; CREATE UNIQUE INDEX ON k2 ((a + b));
      CREATE TABLE k3 (a int, UNIQUE (a)); CREATE TABLE k4 (a int NOT NULL, b int); CREATE UNIQUE INDEX ON k4 (a) INCLUDE (b);`)
    expect((await read('k1')).description.key).toEqual(['c', 'a'])
    expect((await read('k2')).description.key).toEqual(['a', 'b'])
    expect((await read('k3')).description.key).toEqual([])
    expect((await read('k4')).description.key).toEqual(['a'])
    const source = database.source()
    expect((await source.describe(request('k1', { rules: { exclude: ['a'], pseudonymize: [] } }))).key).toEqual([])
    await source.close()
  })

  test('rules: excluded columns are gone, unknown ones and too many are refused', async () => {
    await database.run('CREATE TABLE ruled (a int, b text); INSERT INTO ruled VALUES (1, $$x$$)')
    const source = database.source()
    const description = await source.describe(request('ruled', { rules: { exclude: ['a'], pseudonymize: [] } }))
    expect((await readLines(source, description)).join()).toBe('x')
    const issuesOf = async (exclude: string[], pseudonymize: string[]) => {
      const fault = await faultFrom(source.describe(request('ruled', { rules: { exclude, pseudonymize } })))
      return fault.tag === 'invalid-request' ? fault.issues : fault
    }
    expect(await issuesOf(['A'], ['c'])).toEqual([
      { path: 'rules.exclude', message: '"ruled" has no column "A"' },
      { path: 'rules.pseudonymize', message: '"ruled" has no column "c"' },
    ])
    expect(await issuesOf(['a', 'b'], [])).toMatchObject([{ path: 'rules.exclude' }])
    await source.close()
  })

  test('a table without columns is a clear fault', async () => {
    await database.run('CREATE TABLE nothing ()')
    expect(await faultFrom(read('nothing'))).toMatchObject({ tag: 'unsupported', message: 'The table has no columns' })
  })

  test('an empty table gives one chunk without bytes', async () => {
    await database.run('CREATE TABLE empty (id int)')
    const { rows, description } = await read('empty')
    expect(rows).toEqual([])
    expect(description.estimatedBytes).toBe(0)
  })

  test('a table of 1,600 columns is read whole', async () => {
    const columns = Array.from({ length: 1600 }, (_, at) => `column_number_${at} int2`)
    await database.run(
      `CREATE TABLE wide (${columns.join(', ')}); INSERT INTO wide SELECT ${columns.map((_, at) => at).join(', ')}; INSERT INTO wide DEFAULT VALUES`,
    )
    const { rows } = await read('wide')
    expect(rows).toEqual([columns.map((_, at) => String(at)), columns.map(() => null)])
  })
})

describe('rights', () => {
  beforeAll(async () => {
    await database.run(`
      CREATE ROLE describe_reader LOGIN PASSWORD 'read er'; CREATE TABLE closed (a int, b int, c int); INSERT INTO closed VALUES (1, 2, 3);
      CREATE TABLE half (a int, b int); GRANT SELECT (a) ON half TO describe_reader; INSERT INTO half VALUES (1, 2);
      CREATE SCHEMA hidden; CREATE TABLE hidden.t (a int);
      CREATE TABLE tree (a int) PARTITION BY LIST (a); CREATE TABLE tree1 PARTITION OF tree FOR VALUES IN (1); CREATE TABLE tree2 PARTITION OF tree DEFAULT;
      INSERT INTO tree VALUES (1), (2), (3); GRANT SELECT ON tree TO describe_reader;
      CREATE TABLE guarded (a int, who text); INSERT INTO guarded VALUES (1, 'describe_reader'), (2, 'other'); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
      CREATE POLICY own ON guarded USING (who = current_user); GRANT SELECT ON guarded TO describe_reader`)
  })
  const reader = { user: 'describe_reader', password: 'read er' }

  test('a table this user may not read is denied, and so are single columns, by name', async () => {
    expect(await faultFrom(read('closed', reader))).toMatchObject({
      tag: 'denied',
      code: '42501',
      message: 'User "describe_reader" may not read this table',
    })
    expect(await faultFrom(read('half', reader))).toMatchObject({
      tag: 'denied',
      message: expect.stringContaining('column "b"'),
      remedy: expect.stringContaining('exclude'),
    })
    expect(await faultFrom(read('hidden.t', reader))).toMatchObject({ tag: 'denied', code: '42501' })
    const source = database.source(reader)
    const description = await source.describe(request('half', { rules: { exclude: ['b'], pseudonymize: [] } }))
    expect(await readLines(source, description)).toEqual(['1'])
    await source.close()
  })

  test('a partitioned table is read through its parent by who may not read its partitions', async () => {
    const { rows, description } = await read('tree', reader)
    expect(rows.map(([a]) => a).sort()).toEqual(['1', '2', '3'])
    expect(description.notes.join()).toContain('but not its partitions')
  })

  test('row-level security hides rows, and the plan says so', async () => {
    const { rows, description } = await read('guarded', reader)
    expect(rows).toEqual([['1', 'describe_reader']])
    expect(description.notes.join()).toContain('row-level security')
    expect((await read('guarded')).rows).toHaveLength(2)
  })
})
