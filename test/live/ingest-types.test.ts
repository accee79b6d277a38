import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench

/** [column, declaration, values as SQL, Postgres' own text of the column, ClickHouse's text of it, type there]. */
type Case = [name: string, type: string, values: string[], ours: string, theirs: string, made: string]

const same = (name: string, type: string, made: string, ...values: string[]): Case => [
  name,
  type,
  values,
  `${name}::text`,
  `toString(${name})`,
  made,
]
/** Kept as the text that Postgres writes. */
const asText = (name: string, type: string, ...values: string[]): Case => same(name, type, 'Nullable(String)', ...values)
/** The same for types whose cast to text differs from what Postgres writes: it takes blanks away, or adds a mask. */
const asWritten = (name: string, type: string, ...values: string[]): Case => [
  name,
  type,
  values,
  `nullif(format('%s', ${name}), '')`,
  name,
  'Nullable(String)',
]
const json = (name: string, type: string, made: string, ...values: string[]): Case => [
  name,
  type,
  values,
  `coalesce(array_to_json(${name}), '[]')::text`,
  `toJSONString(${name})`,
  made,
]

const CASES: Case[] = [
  ['b', 'boolean', ['true', 'false'], 'b::text', "multiIf(isNull(b), NULL, b, 'true', 'false')", 'Nullable(Bool)'],
  same('i2', 'smallint', 'Nullable(Int16)', '-32768', '32767'),
  same('i4', 'integer', 'Nullable(Int32)', '-2147483648', '2147483647'),
  same('i8', 'bigint', 'Nullable(Int64)', '-9223372036854775808', '9223372036854775807'),
  same('o', 'oid', 'Nullable(UInt32)', '0', '4294967295'),
  [
    'f4',
    'real',
    ["'NaN'", "'Infinity'", "'-Infinity'", '1.17549435e-38', '3.4028235e38', "'-0'", '0.1'],
    "encode(float4send(f4), 'hex')",
    'lower(hex(reverse(reinterpretAsFixedString(f4))))',
    'Nullable(Float32)',
  ],
  [
    'f8',
    'double precision',
    ["'NaN'", "'Infinity'", "'-Infinity'", '5e-324', '1.7976931348623157e308', "'-0'", '0.1', '9007199254740993'],
    "CASE WHEN f8 = 'NaN' THEN 'nan' ELSE encode(float8send(f8), 'hex') END",
    "if(isNaN(f8), 'nan', lower(hex(reverse(reinterpretAsFixedString(f8)))))",
    'Nullable(Float64)',
  ],
  [
    'n',
    'numeric(38,10)',
    ['9999999999999999999999999999.9999999999', '-9999999999999999999999999999.9999999999', '0', '0.0000000001', '-1.5'],
    'trim_scale(n)::text',
    'toString(n)',
    'Nullable(Decimal(38, 10))',
  ],
  [
    'n76',
    'numeric(76,20)',
    [`${'9'.repeat(56)}.${'9'.repeat(20)}`, `-${'9'.repeat(56)}.${'9'.repeat(20)}`],
    'trim_scale(n76)::text',
    'toString(n76)',
    'Nullable(Decimal(76, 20))',
  ],
  same('nmax', 'numeric(77,0)', 'Nullable(String)', '9'.repeat(77), "'NaN'"),
  same('nneg', 'numeric(5,-2)', 'Nullable(Decimal(7, 0))', '1234567', '-1299'),
  asText('nfree', 'numeric', "'NaN'", "'Infinity'", `${'1234567890'.repeat(20)}.000100`, '1e-400'),
  ['m', 'money', ["'-92233720368547758.08'", "'1234.5'"], 'm::numeric::text', 'toDecimalString(m, 2)', 'Nullable(Decimal(19, 2))'],
  asText('t', 'text', "E'a\\tb\\nc\\rd\\\\e\\b\\f\\v'", "''", "'\\N'", "E'\\\\N'", "E'\\x01\\x1f\\x7f'", "'ü€😀\u2028\u0301'", "'''\"`,;'"),
  asText('v', 'varchar(5)', "'ab   '", "'ü😀'"),
  asWritten('c', 'char(5)', "'ab'", "''"),
  asText('ch', '"char"', "'x'"),
  asText('nm', 'name', "'A name'"),
  ['by', 'bytea', ["'\\x'", "'\\x00ff0a5c09'", "'\\x5c4e'"], "encode(by, 'hex')", 'lower(hex(by))', 'Nullable(String)'],
  same('u', 'uuid', 'Nullable(UUID)', "'00000000-0000-0000-0000-000000000000'", "'FFFFFFFF-1234-1234-1234-0123456789ab'"),
  same('d', 'date', 'Nullable(Date32)', "'1900-01-01'", "'2299-12-31'", "'1969-12-31'", "'2024-02-29'"),
  asText('ti', 'time', "'00:00:00'", "'23:59:59.999999'", "'24:00:00'"),
  asText('tz', 'timetz', "'12:00:00+05:30'", "'23:59:59.999999-12'"),
  [
    'ts',
    'timestamp',
    ["'0001-01-01 00:00:00'", "'9999-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999'", "'2024-03-31 02:30:00.123456'"],
    "to_char(ts, 'YYYY-MM-DD HH24:MI:SS.US')",
    'toString(ts)',
    "Nullable(DateTime64(6, 'UTC'))",
  ],
  [
    'tsz',
    'timestamptz',
    ["'2024-03-31 02:30:00.123456+01'", "'2024-06-30 23:59:59.999999-12'", "'1883-11-18 12:03:57+00'", "'0001-01-01 00:00:00+00'"],
    "to_char(tsz AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
    'toString(tsz)',
    "Nullable(DateTime64(6, 'UTC'))",
  ],
  [
    'ts3',
    'timestamp(3)',
    ["'2024-01-01 10:00:00.9996'"],
    "to_char(ts3, 'YYYY-MM-DD HH24:MI:SS.MS')",
    'toString(ts3)',
    "Nullable(DateTime64(3, 'UTC'))",
  ],
  asText('iv', 'interval', "'1 year 2 mons -3 days 04:05:06.789'", "'-1 microsecond'", "'0'"),
  asText('j', 'json', `'{"b": 1,  "a": [1, null, "x\\ty"], "big": 12345678901234567890.123}'`, "'null'", `'"text"'`),
  asText('jb', 'jsonb', `'{"b": 1,  "a": [1, null, "x\\ty"], "big": 12345678901234567890.123}'`, "'null'", `'"\\u00fc"'`),
  asText('jp', 'jsonpath', "'$.a[*] ? (@ > 1)'"),
  asText('x', 'xml', `'<a b="1">text &amp; more</a>'`),
  asWritten('ip', 'inet', "'10.1.2.3/8'", "'::1'", "'2001:db8::/32'"),
  asText('cd', 'cidr', "'10.0.0.0/8'"),
  asText('mac', 'macaddr', "'08:00:2b:01:02:03'"),
  asText('mac8', 'macaddr8', "'08:00:2b:01:02:03:04:05'"),
  asText('bt', 'bit(4)', "B'1010'"),
  asText('vb', 'varbit', "B'1'", "B''"),
  asText('pt', 'point', "'(1.5,-2)'"),
  asText('ln', 'line', "'{1,2,3}'"),
  asText('ls', 'lseg', "'[(1,2),(3,4)]'"),
  asText('bx', 'box', "'(3,4),(1,2)'"),
  asText('pa', 'path', "'[(1,2),(3,4)]'"),
  asText('pg', 'polygon', "'((1,2),(3,4),(5,6))'"),
  asText('ci', 'circle', "'<(1,2),3>'"),
  asText('tv', 'tsvector', "'''a b'':1A fat:2,4'"),
  asText('tq', 'tsquery', "'fat & ( rat | cat )'"),
  asText('r4', 'int4range', "'[1,5)'", "'empty'", "'(,)'"),
  asText('rn', 'numrange', "'(1.50,2.25]'"),
  asText('rt', 'tstzrange', "'[2024-01-01 00:00+01, infinity)'"),
  asText('rm', 'int4multirange', "'{[1,3),[5,9)}'"),
  asText('lsn', 'pg_lsn', "'16/B374D848'"),
  asText('rc', 'regclass', "'pg_catalog.pg_class'"),
  asText('e', 'mood', "'so so'", "'it''s \"ok\"'"),
  asText('co', 'pair', `ROW(1, 'a "b" , c')`, 'ROW(NULL, NULL)'),
  same('dom', 'positive', 'Nullable(Int32)', '1'),
  json('ai', 'int[]', 'Array(Nullable(Int32))', "'{}'", "'{1,NULL,-3}'"),
  json('ab', 'boolean[]', 'Array(Nullable(Bool))', "'{t,f,NULL}'"),
  json('at', 'text[]', 'Array(Nullable(String))', `ARRAY['NULL', NULL, '', '"', E'\\\\', 'a,b', '{}', E'tab\\tnl\\n', 'ü😀']`),
  json('ae', 'mood[]', 'Array(Nullable(String))', `ARRAY['so so', NULL]::mood[]`),
  [
    'abig',
    'bigint[]',
    ["'{9223372036854775807,-9223372036854775808,NULL}'"],
    "coalesce(array_to_string(abig, ',', 'NULL'), '')",
    "arrayStringConcat(arrayMap(x -> ifNull(toString(x), 'NULL'), abig), ',')",
    'Array(Nullable(Int64))',
  ],
  [
    'an',
    'numeric(20,4)[]',
    ["'{1234567890123456.7891,NULL,-0.0001}'"],
    "coalesce(array_to_string(an, ',', 'NULL'), '')",
    "arrayStringConcat(arrayMap(x -> ifNull(toString(x), 'NULL'), an), ',')",
    'Array(Nullable(Decimal(20, 4)))',
  ],
  [
    'ats',
    'timestamptz[]',
    ["ARRAY['2024-03-31 02:30:00.123456+01', NULL]::timestamptz[]"],
    `coalesce((SELECT string_agg(coalesce(to_char(x AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), 'NULL'), ',' ORDER BY n) FROM unnest(ats) WITH ORDINALITY AS q (x, n)), '')`,
    "arrayStringConcat(arrayMap(x -> ifNull(toString(x), 'NULL'), ats), ',')",
    "Array(Nullable(DateTime64(6, 'UTC')))",
  ],
  [
    'aby',
    'bytea[]',
    [`ARRAY['\\x00ff'::bytea, NULL, '\\x']`],
    `coalesce((SELECT string_agg(coalesce(encode(x, 'hex'), 'NULL'), ',' ORDER BY n) FROM unnest(aby) WITH ORDINALITY AS q (x, n)), '')`,
    "arrayStringConcat(arrayMap(x -> ifNull(lower(hex(x)), 'NULL'), aby), ',')",
    'Array(Nullable(String))',
  ],
  [
    'ajb',
    'jsonb[]',
    [`ARRAY['{"a": "x\\"y"}'::jsonb, NULL, '[1]']`],
    `coalesce((SELECT string_agg(coalesce(x::text, 'NULL'), '|' ORDER BY n) FROM unnest(ajb) WITH ORDINALITY AS q (x, n)), '')`,
    "arrayStringConcat(arrayMap(x -> ifNull(x, 'NULL'), ajb), '|')",
    'Array(Nullable(String))',
  ],
  ['nest', 'int[][]', ["'{{1,2},{3,NULL}}'", "'{}'"], 'array_to_json(nest)::text', 'nest', 'Nullable(String)'],
]

const rows = Math.max(...CASES.map(([, , values]) => values.length)) + 1

beforeAll(async () => {
  bench = await workbench('types')
  const columns = CASES.map(([name, type]) => `"${name}" ${type}`).join(', ')
  // Row n has the n-th value of each column; the last row is NULL all over.
  const inserts = Array.from({ length: rows }, (_, row) => {
    const given = CASES.filter(([, , values]) => row < values.length)
    const list = given.map(([name]) => `"${name}"`)
    return `INSERT INTO every (${['id', ...list].join(', ')}) VALUES (${[String(row), ...given.map(([, , values]) => values[row])].join(', ')})`
  })
  await bench.source(`
    SET standard_conforming_strings = on;
    CREATE TYPE mood AS ENUM ('so so', 'it''s "ok"'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE TABLE every (id int PRIMARY KEY, ${columns}); ${inserts.join('; ')}`)
})
afterAll(() => bench.close())

describe('one table with every built-in type', () => {
  it('is loaded, and the checksum of both ends is equal', async () => {
    const answer = await bench.ingest({ identity: 'every', verify: 'checksum', resources: [{ source_table_name: 'every' }] })
    expect(answer.body.message).toBe('Data Ingestion is completed successfully')
    expect(answer.body.receipt.resources[0]).toMatchObject({ checksum: { equal: true }, rows: { read: rows, found: rows } })
  })

  it("every value read back equals Postgres' own text, and NULL is NULL", async () => {
    const ours = CASES.map(([name, , , expression]) => `${expression} AS "${name}"`).join(', ')
    const theirs = CASES.map(([name, , , , expression]) => `${expression} AS "_${name}"`).join(', ')
    const source = await bench.source<Record<string, unknown>>(
      `SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; SET intervalstyle = 'iso_8601'; SELECT id, ${ours} FROM every ORDER BY id`,
    )
    const found = await bench.destination<Record<string, unknown>>(`SELECT id, ${theirs} FROM every ORDER BY id`)
    expect(found).toHaveLength(rows)
    const unequal = CASES.flatMap(([name, type]) =>
      source.flatMap((row, index) => {
        const [sent, got] = [row[name], found[index]?.[`_${name}`]]
        return sent === got ? [] : [{ column: `${name} ${type}`, row: row.id, sent, got }]
      }),
    )
    expect(unequal).toEqual([])
  })

  it('columns have the narrowest type that keeps every value', async () => {
    const made = await bench.destination<{ name: string; type: string }>(
      `SELECT name, type FROM system.columns WHERE database = '${bench.clickhouse}' AND table = 'every' ORDER BY position`,
    )
    expect(made.slice(1).map(({ name, type }) => [name, type])).toEqual(CASES.map(([name, , , , , type]) => [name, type]))
  })

  it('a change of the reading session does not shift what was stored', async () => {
    const [row] = await bench.destination<{ tsz: string; ts: string }>(
      `SELECT toString(tsz) AS tsz, toString(ts) AS ts FROM every WHERE id = 0 SETTINGS session_timezone = 'America/New_York'`,
    )
    expect(row).toEqual({ tsz: '2024-03-31 01:30:00.123456', ts: '0001-01-01 00:00:00.000000' })
  })
})

describe('what ClickHouse cannot hold', () => {
  const OUTSIDE: [string, string, string][] = [
    ['date', "'1899-12-31'", '1900-01-01'],
    ['date', "'2300-01-01'", '2299-12-31'],
    ['date', "'0044-03-15 BC'", 'x'],
    ['date', "'infinity'", 'x'],
    ['timestamp', "'infinity'", 'x'],
    ['timestamptz', "'-infinity'", 'x'],
    ['timestamp', "'0044-03-15 12:00:00 BC'", 'x'],
    ['timestamp', "'10000-01-01'", 'x'],
    ['numeric(10,2)', "'NaN'", 'x'],
  ]
  const table = (index: number) => `outside_${index}`

  beforeAll(async () => {
    const tables = OUTSIDE.map(
      ([type, value], index) =>
        `CREATE TABLE ${table(index)} (id int, v ${type}); INSERT INTO ${table(index)} VALUES (1, ${value}), (2, NULL), (3, ${type.startsWith('numeric') ? '1.25' : "'2024-01-01'"})`,
    )
    await bench.source(tables.join('; '))
  })

  it('fails the load by default, names the column, and leaves nothing behind', async () => {
    const resources = OUTSIDE.map((_, index) => ({ source_table_name: table(index) }))
    const answer = await bench.ingest({ identity: 'outside', resources })
    expect(answer.status).toBe(422)
    expect(answer.body.loaded).toEqual([])
    expect(
      answer.body.failed.map(({ fault }: { fault: { tag: string; place: { column: string; side: string } } }) => [
        fault.tag,
        fault.place.side,
        fault.place.column,
      ]),
    ).toEqual(OUTSIDE.map(() => ['bad-data', 'destination', 'v']))
    expect((await bench.tables()).filter((name) => /^outside|^_sluice/.test(name))).toEqual([])
  })

  it("becomes NULL and is counted with unrepresentable: 'null'", async () => {
    const resources = OUTSIDE.map((_, index) => ({ source_table_name: table(index) }))
    const answer = await bench.ingest({ identity: 'nulled', unrepresentable: 'null', resources })
    expect(answer.body.message).toBe('Data Ingestion is completed successfully')
    for (const [index, [type]] of OUTSIDE.entries()) {
      expect(answer.body.receipt.resources[index].notes).toContain('Values that the destination cannot hold became NULL: 1 in "v".')
      const found = await bench.destination(`SELECT id, toString(v) AS v FROM ${table(index)} ORDER BY id`)
      const kept = { date: '2024-01-01', 'numeric(10,2)': '1.25' }[type] ?? '2024-01-01 00:00:00.000000'
      expect([type, found]).toEqual([
        type,
        [
          { id: 1, v: null },
          { id: 2, v: null },
          { id: 3, v: kept },
        ],
      ])
    }
  })
})
