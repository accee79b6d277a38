import { afterAll, beforeAll, expect, it } from 'vitest'
import { destinationState, refusedAndAsBefore } from './refused.ts'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench
beforeAll(async () => {
  bench = await workbench('tables')
})
afterAll(() => bench.close())

const quotePostgres = (name: string) => `"${name.replaceAll('"', '""')}"`
const quoteClickHouse = (name: string) => `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``

it('an empty table makes an empty table with the right columns, and replaces a full one by an empty one', async () => {
  await bench.source('CREATE TABLE hollow (id bigint PRIMARY KEY, name text NOT NULL, price numeric(12,3), at timestamptz)')
  const load = () => bench.ingest({ identity: 'hollow', resources: [{ source_table_name: 'hollow' }] })
  const created = await load()
  expect([created.status, created.body.receipt.resources[0].rows]).toEqual([
    200,
    { read: 0, delivered: 0, found: 0, folded: 0, in_table: 0 },
  ])
  const columns = "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = 'hollow' ORDER BY position"
  expect(await bench.destination(columns)).toEqual([
    { name: 'id', type: 'Int64' },
    { name: 'name', type: 'String' },
    { name: 'price', type: 'Nullable(Decimal(12, 3))' },
    { name: 'at', type: "Nullable(DateTime64(6, 'UTC'))" },
  ])
  await bench.source("INSERT INTO hollow SELECT g, 'n', 1, now() FROM generate_series(1, 9) g")
  expect((await load()).status).toBe(200)
  expect(await bench.destination('SELECT toString(count()) AS n FROM hollow')).toEqual([{ n: '9' }])
  await bench.source('DELETE FROM hollow')
  expect((await load()).status).toBe(200)
  expect(await bench.destination('SELECT toString(count()) AS n FROM hollow')).toEqual([{ n: '0' }])
  expect(await bench.tables()).toEqual(['hollow'])
})

it('a table without columns is refused', async () => {
  await bench.source('CREATE TABLE bare ()')
  await refusedAndAsBefore(bench, () => bench.ingest({ identity: 'bare', resources: [{ source_table_name: 'bare' }] }), {
    status: 422,
    tag: 'unsupported',
    side: 'source',
    cause: /no columns/,
    place: ['"bare"'],
    remedy: /at least one column/,
  })
})

it('a table of 1,600 columns arrives whole', async () => {
  const names = Array.from({ length: 1600 }, (_, at) => `column_number_${at + 1}`)
  await bench.source(`CREATE TABLE wide (${names.map((name) => `${name} smallint`).join(', ')});
    INSERT INTO wide SELECT ${names.map((_, at) => `g + ${at % 1000}`).join(', ')} FROM generate_series(1, 50) g`)
  const answer = await bench.ingest({ identity: 'wide', resources: [{ source_table_name: 'wide' }] })
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(
    await bench.destination(
      `SELECT toString(count()) AS n, toString(sum(column_number_1)) AS first, toString(sum(column_number_1600)) AS last FROM wide`,
    ),
  ).toEqual([{ n: '50', first: '1275', last: String(1275 + 50 * 599) }])
  const [{ n } = { n: '' }] = await bench.destination<{ n: string }>(
    `SELECT toString(count()) AS n FROM system.columns WHERE database = currentDatabase() AND table = 'wide'`,
  )
  expect(n).toBe('1600')
})

const SIXTY_THREE = `sixty_three_bytes_${'é'.repeat(22)}_`
/** Names that are hard for one of: SQL, URLs, file names, regular expressions, JSON. */
const NAMES = [
  'with"double""quotes',
  "it's",
  'back`tick',
  'back\\slash',
  'public.users',
  'three.dots.in.it',
  'two words  and blanks ',
  ' leading',
  'UPPER and lower',
  'emoji 😀👩‍👩‍👧',
  'select',
  'table',
  'Ünïcödé',
  SIXTY_THREE,
  'percent%20 and ? # & = +',
  'semicolon; DROP TABLE x; --',
  '{curly} [square] (round) $1 ^.*$',
  'slash/and:colon',
  'tab\tand\nnewline',
  '日本語の表',
  '123',
  '-dash-',
  '*',
]

it('tables and columns with hard names keep them on both sides', async () => {
  expect(new TextEncoder().encode(SIXTY_THREE).length).toBe(63)
  const columns = NAMES.map((name, at) => `${quotePostgres(name)} int DEFAULT ${at}`).join(', ')
  await bench.source(
    NAMES.map(
      (name) =>
        `CREATE TABLE ${quotePostgres(name)} (key int PRIMARY KEY, ${columns}); INSERT INTO ${quotePostgres(name)} (key) VALUES (1), (2);`,
    ).join('\n'),
  )
  const answer = await bench.ingest({ identity: 'names', resources: NAMES.map((name) => ({ source_table_name: name })) })
  expect([answer.status, answer.body.failed ?? []]).toEqual([200, []])
  const tables = await bench.destination<{ name: string }>('SELECT name FROM system.tables WHERE database = currentDatabase()')
  expect(tables.map(({ name }) => name)).toEqual(expect.arrayContaining(NAMES))
  for (const name of NAMES) {
    const values = NAMES.map((column) => `toString(sum(${quoteClickHouse(column)}))`).join(", ',', ")
    expect([name, await bench.destination(`SELECT concat(${values}) AS v, toString(count()) AS n FROM ${quoteClickHouse(name)}`)]).toEqual([
      name,
      [{ v: NAMES.map((_, at) => at * 2).join(','), n: '2' }],
    ])
  }
})

it('a table of a schema with a hard name is found by its quoted name', async () => {
  await bench.source(
    `CREATE SCHEMA "odd.schema"; CREATE TABLE "odd.schema"."odd ""table" (id int); INSERT INTO "odd.schema"."odd ""table" VALUES (7)`,
  )
  const answer = await bench.ingest({
    identity: 'schema',
    resources: [{ source_table_name: '"odd.schema"."odd ""table"', destination_table_name: 'found' }],
  })
  expect(answer.status).toBe(200)
  expect(await bench.destination('SELECT id FROM found')).toEqual([{ id: 7 }])
})

it('hard names also pass as replace, append, merge and excluded or pseudonymized columns', async () => {
  const [table, key, other] = ['again "x" `y` \\ 😀', 'the "key" `k`', "it's \\ 😀"]
  await bench.source(`CREATE TABLE ${quotePostgres(table)} (${quotePostgres(key)} int PRIMARY KEY, ${quotePostgres(other)} text, "left.out" text);
    INSERT INTO ${quotePostgres(table)} VALUES (1, 'a', 'x'), (2, 'b', 'x')`)
  const load = (write_disposition_config: unknown, column_rules?: unknown) =>
    bench.ingest({ identity: 'again', resources: [{ source_table_name: table, write_disposition_config, column_rules }] })
  const rules = { exclude_columns: ['left.out'] }
  expect((await load({ type: 'replace' }, rules)).status).toBe(200)
  expect((await load({ type: 'append' }, rules)).status).toBe(200)
  expect(await bench.destination(`SELECT toString(count()) AS n FROM ${quoteClickHouse(table)}`)).toEqual([{ n: '4' }])
  const merged = await load(
    { type: 'merge', strategy: 'upsert', config: { primary_key: key } },
    { ...rules, pseudonymizing_columns: [other] },
  )
  expect([merged.status, merged.body.failed ?? []]).toEqual([200, []])
  const rows = await bench.destination<{ k: number; o: string }>(
    `SELECT ${quoteClickHouse(key)} AS k, ${quoteClickHouse(other)} AS o FROM ${quoteClickHouse(table)} ORDER BY k`,
  )
  expect(rows).toEqual([
    { k: 1, o: expect.stringMatching(/^[0-9a-f]{64}$/) },
    { k: 2, o: expect.stringMatching(/^[0-9a-f]{64}$/) },
  ])
})

it('destination names that cannot be: too long, and those of our own staging', async () => {
  await bench.source('CREATE TABLE plain (id int); INSERT INTO plain VALUES (1)')
  const before = await destinationState(bench)
  for (const [name, cause] of [
    ['x'.repeat(220), /longer than the \d+ bytes/],
    ['é'.repeat(40), /take three bytes each/],
    ['_sluice_s_mine', /cannot be the name/],
  ] as const) {
    await refusedAndAsBefore(
      bench,
      () => bench.ingest({ identity: 'long', resources: [{ source_table_name: 'plain', destination_table_name: name }] }),
      { status: 422, tag: 'schema-conflict', side: 'destination', cause, place: [name], remedy: /Choose/ },
    )
  }
  const [{ room } = { room: 0 }] = await bench.destination<{ room: number }>(
    'SELECT toUInt32(getMaxTableNameLengthForDatabase(currentDatabase())) AS room',
  )
  const longest = 'y'.repeat(room)
  expect(
    (await bench.ingest({ identity: 'long', resources: [{ source_table_name: 'plain', destination_table_name: longest }] })).status,
  ).toBe(200)
  expect((await destinationState(bench)).length).toBe(before.length + 1)
})
