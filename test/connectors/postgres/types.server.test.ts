import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { typeTable } from '../../../src/connectors/postgres/type-table.ts'
import type { StreamDescription } from '../../../src/core/chunk.ts'
import { typeName } from '../../../src/core/schema.ts'
import { chunksOf, Database, faultFrom, fields, open, readLines, request, textOf } from './support.ts'

let database: Database
beforeAll(async () => {
  database = await Database.create(inject('postgres'), 'pg_types')
})
afterAll(async () => {
  await database.run('DROP DATABASE pg_types WITH (FORCE)', 'postgres')
})

/** Describes and reads a table; cells by row and column. */
async function load(table: string): Promise<{ description: StreamDescription; rows: (string | null)[][] }> {
  const source = database.source()
  try {
    const description = await source.describe(request(table))
    return { description, rows: (await readLines(source, description)).map(fields) }
  } finally {
    await source.close()
  }
}

/** SQL type, literal, what we call it, text form. */
const VALUES: [type: string, literal: string, name: string, text: string, loss?: RegExp][] = [
  ['bool', "'yes'", 'boolean', 't'],
  ['int2', '-32768', 'int16', '-32768'],
  ['int4', '2147483647', 'int32', '2147483647'],
  ['int8', '-9223372036854775808', 'int64', '-9223372036854775808'],
  ['oid', '4294967295', 'uint32', '4294967295'],
  ['xid', "'4294967295'", 'uint32', '4294967295'],
  ['cid', "'7'", 'uint32', '7'],
  ['xid8', "'18446744073709551615'", 'uint64', '18446744073709551615'],
  ['float4', '0.1', 'float32', '0.1'],
  ['float4', "'-Infinity'", 'float32', '-Infinity'],
  ['float8', '0.1::float8 + 0.2::float8', 'float64', '0.30000000000000004'],
  ['float8', "'NaN'", 'float64', 'NaN'],
  ['float8', '1e300', 'float64', '1e+300'],
  ['float8', "'-0'", 'float64', '-0'],
  ['numeric(10,2)', '1.5', 'decimal(10,2)', '1.50'],
  ['numeric(10,2)', "'NaN'", 'decimal(10,2)', 'NaN'],
  ['numeric(3,-2)', '12345', 'decimal(5,0)', '12300'],
  ['numeric(2,4)', '0.0012', 'decimal(4,4)', '0.0012'],
  ['numeric(1000,500)', '1', 'decimal(1000,500)', `1.${'0'.repeat(500)}`],
  ['numeric', '123456789012345678901234567890.1234567890', 'string', '123456789012345678901234567890.1234567890', /exact text/],
  ['numeric', "'Infinity'", 'string', 'Infinity', /exact text/],
  ['money', '-1234.5', 'decimal(19,2)', '-1234.50', /currency/],
  ['text', "E'a\\tb\\nc\\\\d'", 'string', 'a\tb\nc\\d'],
  ['varchar(5)', "'äöü'", 'string', 'äöü'],
  ['char(5)', "'ab'", 'string', 'ab   '],
  ['name', "'n'", 'string', 'n'],
  ['"char"', "'x'", 'string', 'x'],
  ['bytea', "'\\x00ff5c'", 'bytes', '00ff5c'],
  ['xml', "'<a>1</a>'", 'string', '<a>1</a>'],
  ['json', `'{"a" : 1,  "a": null}'`, 'json', '{"a" : 1,  "a": null}'],
  ['jsonb', `'{"b": 1, "a": "x\\ny"}'`, 'json', '{"a": "x\\ny", "b": 1}'],
  ['jsonpath', "'$.a'", 'string', '$."a"', /exact text/],
  ['uuid', "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", 'uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['date', "'0044-03-15 BC'", 'date', '0044-03-15 BC'],
  ['date', "'infinity'", 'date', 'infinity'],
  ['date', "'2024-02-29'", 'date', '2024-02-29'],
  ['time', "'12:34:56.789'", 'time', '12:34:56.789'],
  ['timetz', "'12:34:56.789+05:30'", 'string', '12:34:56.789+05:30', /offset/],
  ['timestamp', "'2024-02-29 12:34:56.123456'", 'timestamp(6)', '2024-02-29 12:34:56.123456'],
  ['timestamp(3)', "'2024-02-29 12:34:56.123456'", 'timestamp(3)', '2024-02-29 12:34:56.123'],
  ['timestamptz', "'2024-02-29 23:34:56.5-03:30'", 'timestamptz(6)', '2024-03-01 03:04:56.5+00'],
  ['timestamptz(0)', "'2024-02-29 12:00:00+00'", 'timestamptz(0)', '2024-02-29 12:00:00+00'],
  ['timestamptz', "'-infinity'", 'timestamptz(6)', '-infinity'],
  ['interval', "'1 year 2 mons -3 days 04:05:06.7'", 'string', 'P1Y2M-3DT4H5M6.7S', /ISO 8601/],
  ['inet', "'10.0.0.1'", 'string', '10.0.0.1', /address/],
  ['inet', "'10.0.0.1/8'", 'string', '10.0.0.1/8', /address/],
  ['cidr', "'10.0.0.0/8'", 'string', '10.0.0.0/8', /address/],
  ['macaddr', "'08:00:2b:01:02:03'", 'string', '08:00:2b:01:02:03', /address/],
  ['macaddr8', "'08:00:2b:01:02:03:04:05'", 'string', '08:00:2b:01:02:03:04:05', /address/],
  ['bit(4)', "B'1010'", 'string', '1010', /bits/],
  ['varbit', "B'10'", 'string', '10', /bits/],
  ['point', "'(1.5,2)'", 'string', '(1.5,2)', /coordinates/],
  ['polygon', "'((0,0),(1,1))'", 'string', '((0,0),(1,1))', /coordinates/],
  ['tsvector', "'a:1 b:2'", 'string', "'a':1 'b':2", /structure/],
  ['int4range', "'[1,5]'", 'string', '[1,6)', /bounds/],
  ['tstzrange', "'[2024-01-01 00:00+01,)'", 'string', '["2023-12-31 23:00:00+00",)', /bounds/],
  ['int4multirange', "'{[1,2],[5,6]}'", 'string', '{[1,3),[5,7)}', /bounds/],
  ['pg_lsn', "'16/B374D848'", 'string', '16/B374D848', /log position/],
  ['tid', "'(1,2)'", 'string', '(1,2)', /structure/],
  ['regclass', "'pg_class'", 'string', 'pg_class', /structure/],
  ['int4[]', "'{1,NULL,3}'", 'array(int32)', '[1,null,3]', /lower bounds/],
  ['int4[]', "'[5:6]={1,2}'", 'array(int32)', '[1,2]', /lower bounds/],
  ['int8[]', "'{9223372036854775807}'", 'array(int64)', '[9223372036854775807]', /lower bounds/],
  ['bool[]', "'{t,f,NULL}'", 'array(boolean)', '[true,false,null]', /lower bounds/],
  ['float8[]', "'{0.1,NaN,-Infinity}'", 'array(float64)', '[0.1,"NaN","-Infinity"]', /lower bounds/],
  ['numeric(12,2)[]', "'{1.5,NaN,NULL}'", 'array(decimal(12,2))', '["1.50","NaN",null]', /lower bounds/],
  ['numeric[]', "'{12345678901234567890.123456789}'", 'array(string)', '["12345678901234567890.123456789"]', /exact text/],
  [
    'text[]',
    `ARRAY['a"b', NULL, 'NULL', '', '{x,y}', E'c\\\\d\\n']`,
    'array(string)',
    '["a\\"b",null,"NULL","","{x,y}","c\\\\d\\n"]',
    /lower bounds/,
  ],
  ['char(3)[]', "'{a}'", 'array(string)', '["a  "]', /lower bounds/],
  ['bytea[]', `ARRAY['\\x00ff'::bytea, NULL, '']`, 'array(bytes)', '["00ff",null,""]', /lower bounds/],
  ['timestamptz[]', "'{2024-01-01 00:00:00.5+01}'", 'array(timestamptz(6))', '["2023-12-31 23:00:00.5+00"]', /lower bounds/],
  ['date[]', "'{2024-01-01,infinity}'", 'array(date)', '["2024-01-01","infinity"]', /lower bounds/],
  ['json[]', `ARRAY['{"a": 1}'::json, 'null', NULL]`, 'array(json)', '["{\\"a\\": 1}","null",null]', /lower bounds/],
  ['uuid[]', "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'", 'array(uuid)', '["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]', /lower bounds/],
  ['inet[]', "'{10.0.0.1}'", 'array(string)', '["10.0.0.1"]', /address/],
  ['money[]', "'{1.5}'", 'array(decimal(19,2))', '["1.50"]', /currency/],
  ['oid[]', "'{4294967295}'", 'array(uint32)', '[4294967295]', /lower bounds/],
  ['xid8[]', "'{18446744073709551615}'", 'array(uint64)', '[18446744073709551615]', /lower bounds/],
  ['int4[][]', "'{{1,2},{3,NULL}}'", 'json', '[[1,2],[3,null]]', /nested JSON/],
  ['text[]', "'{}'", 'array(string)', '[]', /lower bounds/],
]

describe('every type of Postgres', () => {
  test('the text form of a value is what core/schema.ts says, whatever the defaults of the role are', async () => {
    await database.run(`
      ALTER DATABASE pg_types SET datestyle = 'SQL, DMY'; ALTER DATABASE pg_types SET timezone = 'Asia/Kolkata';
      ALTER DATABASE pg_types SET intervalstyle = 'sql_standard'; ALTER DATABASE pg_types SET extra_float_digits = -5;
      ALTER DATABASE pg_types SET bytea_output = 'escape'; ALTER DATABASE pg_types SET standard_conforming_strings = off;`)
    const columns = VALUES.map(([type], at) => `c${at} ${type}`).join(', ')
    const literals = VALUES.map(([, literal]) => literal).join(', ')
    await database.run(
      `CREATE TABLE all_values (${columns}); INSERT INTO all_values VALUES (${literals}); INSERT INTO all_values DEFAULT VALUES`,
    )
    const { description, rows } = await load('all_values')
    const found = VALUES.map(([type], at) => [type, typeName(description.schema.fields[at]?.type ?? { kind: 'json' }), rows[0]?.[at]])
    expect(found).toEqual(VALUES.map(([type, , name, text]) => [type, name, text]))
    expect(rows[1]).toEqual(VALUES.map(() => null))
    for (const [at, [type, , , , loss]] of VALUES.entries()) {
      const told = description.schema.fields[at]?.loss
      if (loss) expect(told, type).toMatch(loss)
      else expect(told, type).toBeUndefined()
    }
    expect(description.notes.join()).toContain('trailing blanks')
  })

  test('no type that a column can have is without a rule of its own, and all can be read', async () => {
    const types = await database.run(`
      SELECT t.typname AS name FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
      WHERE n.nspname = 'pg_catalog' AND t.typtype IN ('b', 'r', 'm') AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid) ORDER BY 1`)
    const names = types.map((row) => String(row.name))
    expect(names.length).toBeGreaterThan(70)
    expect(names.filter((name) => !Object.hasOwn(typeTable, name))).toEqual([])
    const columns = names.map((name) => `"${name}" pg_catalog."${name}"`)
    const arrays = await database.run(`
      SELECT t.typname AS name FROM pg_type t JOIN pg_type e ON e.typarray = t.oid JOIN pg_namespace n ON n.oid = t.typnamespace
      WHERE n.nspname = 'pg_catalog' AND e.typtype IN ('b', 'r', 'm') ORDER BY 1`)
    columns.push(...arrays.map(({ name }) => `"${name}" pg_catalog."${name}"`))
    await database.run(`CREATE TABLE every_type (${columns.join(', ')}); INSERT INTO every_type DEFAULT VALUES`)
    const { description, rows } = await load('every_type')
    expect(description.schema.fields).toHaveLength(columns.length)
    expect(rows).toEqual([columns.map(() => null)])
    expect(description.schema.fields.filter((field) => field.loss?.includes('its own type'))).toEqual([])
  })

  test('enums, domains, composites, their arrays and types of extensions', async () => {
    await database.run(`
      CREATE EXTENSION hstore; CREATE EXTENSION citext;
      CREATE TYPE mood AS ENUM ('sad', 'ok, so so'); CREATE DOMAIN price AS numeric(8,3) NOT NULL; CREATE DOMAIN net_price AS price;
      CREATE TYPE pair AS (a int, b timestamptz); CREATE DOMAIN numbers AS int[]; CREATE TYPE floatrange AS RANGE (subtype = float8);
      CREATE TABLE own (m mood, d net_price, p pair, ms mood[], ds price[], ps pair[], h hstore, c citext, hs hstore[], n numbers, ns numbers[], r floatrange);
      INSERT INTO own VALUES ('ok, so so', 1.5, (1, '2024-01-01+00'), '{sad,NULL}', '{1.5}', ARRAY[(1, '2024-01-01+00')::pair], 'a=>1', 'X', ARRAY['a=>1'::hstore], '{1}', ARRAY['{1}'::numbers], '[0.1,0.2)');`)
    const { description, rows } = await load('own')
    expect(description.schema.fields.map((field) => [field.name, typeName(field.type), field.nullable])).toEqual([
      ['m', 'string', true],
      // A domain's NOT NULL can be got around, so it promises nothing.
      ['d', 'decimal(8,3)', true],
      ['p', 'string', true],
      ['ms', 'array(string)', true],
      ['ds', 'array(decimal(8,3))', true],
      ['ps', 'array(string)', true],
      ['h', 'string', true],
      ['c', 'string', true],
      ['hs', 'array(string)', true],
      ['n', 'array(int32)', true],
      ['ns', 'string', true],
      ['r', 'string', true],
    ])
    expect(rows).toEqual([
      [
        'ok, so so',
        '1.500',
        '(1,"2024-01-01 00:00:00+00")',
        '["sad",null]',
        '["1.500"]',
        '["(1,\\"2024-01-01 00:00:00+00\\")"]',
        '"a"=>"1"',
        'X',
        '["\\"a\\"=>\\"1\\""]',
        '[1]',
        '{"{1}"}',
        '[0.1,0.2)',
      ],
    ])
    expect(description.notes.join()).toContain('column "m" is an enum: sad, ok, so so')
  })

  test('an array with more dimensions than its column declares is a fault that names the column', async () => {
    await database.run(`CREATE TABLE deep (id int, "a ""b" int[]); INSERT INTO deep VALUES (1, '{1}'), (2, '{{1,2},{3,4}}')`)
    const source = database.source()
    const description = await source.describe(request('deep'))
    const [chunk] = await chunksOf(source, description)
    if (!chunk) throw new Error('no chunk')
    const fault = await faultFrom(open(source, description, chunk).then(textOf))
    expect(fault).toMatchObject({
      tag: 'bad-data',
      place: { resource: 'deep', column: 'a "b' },
      remedy: expect.stringContaining('int[][]'),
    })
    await source.close()
  })

  test('money follows the lc_monetary of the server and is exact', async () => {
    await database.run(`CREATE TABLE cash (m money); INSERT INTO cash VALUES ('92233720368547758.07'), ('-92233720368547758.08')`)
    const { rows } = await load('cash')
    expect(rows).toEqual([['92233720368547758.07'], ['-92233720368547758.08']])
  })

  test('every control character, quotes, emoji and empty texts survive', async () => {
    const all = Array.from({ length: 31 }, (_, at) => at + 1)
    await database.run(
      `CREATE TABLE odd (id int, t text); INSERT INTO odd SELECT i, 'a' || chr(i) || 'b' FROM unnest(ARRAY[${all.join(',')},127,133,8232,128512]) i;
       INSERT INTO odd VALUES (1000, ''), (1001, NULL), (1002, '\\N'), (1003, '\\.'), (1004, '\\'), (1005, E'\\r\\n'), (1006, '"''')`,
    )
    const { rows } = await load('odd')
    const expected = [...all, 127, 133, 8232, 128_512].map((code) => [String(code), `a${String.fromCodePoint(code)}b`])
    expect(rows).toEqual([
      ...expected,
      ['1000', ''],
      ['1001', null],
      ['1002', '\\N'],
      ['1003', '\\.'],
      ['1004', '\\'],
      ['1005', '\r\n'],
      ['1006', `"'`],
    ])
  })

  test('pseudonyms are the SHA-256 of text form and salt, nulls stay null', async () => {
    await database.run(
      `CREATE TABLE secret (id int, b bool, i inet, t text, n numeric(5,2)); INSERT INTO secret VALUES (1, true, '10.0.0.1', 'ä', 1.5), (2, NULL, NULL, NULL, NULL)`,
    )
    const source = database.source()
    const description = await source.describe(request('secret', { rules: { exclude: ['id'], pseudonymize: ['b', 'i', 't', 'n'] } }))
    expect(description.rulesApplied).toBe(true)
    expect(description.schema.fields.map(({ name, type, nullable }) => [name, typeName(type), nullable])).toEqual(
      ['b', 'i', 't', 'n'].map((name) => [name, 'string', true]),
    )
    const rows = (await readLines(source, description)).map(fields)
    await source.close()
    const { createHash } = await import('node:crypto')
    const hash = (text: string) => createHash('sha256').update(`${text}salt`).digest('hex')
    expect(rows).toEqual([
      [hash('t'), hash('10.0.0.1'), hash('ä'), hash('1.50')],
      [null, null, null, null],
    ])
  })
})
