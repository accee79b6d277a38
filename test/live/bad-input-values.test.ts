import { afterAll, beforeAll, expect, it } from 'vitest'
import { refusedAndAsBefore } from './refused.ts'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench
beforeAll(async () => {
  bench = await workbench('values')
})
afterAll(() => bench.close())

const load = (table: string, over: Record<string, unknown> = {}) =>
  bench.ingest({ identity: 'values', resources: [{ source_table_name: table }], ...over })

it('text with every control character and every plane of Unicode arrives byte for byte', async () => {
  // NUL cannot be in a Postgres text, surrogates are no characters.
  await bench.source(`CREATE TABLE texts (id int PRIMARY KEY, body text NOT NULL);
    INSERT INTO texts SELECT g, 'a' || chr(g) || 'z' FROM generate_series(1, 300) g;
    INSERT INTO texts SELECT 1000 + plane * 4 + at, chr(plane * 65536 + point) || chr(plane * 65536 + point)
      FROM generate_series(0, 16) plane, LATERAL (VALUES (0, 1), (1, 32768), (2, 65279), (3, 65535)) AS points (at, point)
      WHERE plane * 65536 + point < 1114112;
    INSERT INTO texts VALUES (2000, ''), (2001, E'\\\\N'), (2002, E'\\\\.'), (2003, E'\\\\'), (2004, 'NULL'), (2005, E'\\t\\n\\r\\\\t\\\\n'),
      (2006, '"quoted" ''single'' \`tick\`'), (2007, E'trailing \\\\'), (2008, E'\\r\\n'), (2009, '   ')`)
  const answer = await load('texts', { verify: 'checksum' })
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(answer.body.receipt.resources[0].checksum).toMatchObject({ equal: true, fields: ['id', 'body'] })
  const [source] = await bench.source<{ rows: string; digest: string }>(
    `SELECT count(*)::text AS rows, md5(string_agg(md5(convert_to(body, 'UTF8')), '' ORDER BY id)) AS digest FROM texts`,
  )
  const [destination] = await bench.destination(
    `SELECT toString(count()) AS rows, lower(hex(MD5(arrayStringConcat(arrayMap(p -> p.2, arraySort(groupArray((id, lower(hex(MD5(body)))))))))) ) AS digest FROM texts`,
  )
  expect(destination).toEqual(source)
})

it('NaN and infinity of floats arrive as what they are', async () => {
  await bench.source(`CREATE TABLE floats (id int PRIMARY KEY, f4 real, f8 double precision);
    INSERT INTO floats VALUES (1, 'NaN', 'NaN'), (2, 'Infinity', 'Infinity'), (3, '-Infinity', '-Infinity'), (4, '-0', '-0'),
      (5, 1e-45, 5e-324), (6, 3.4028235e38, 1.7976931348623157e308), (7, NULL, NULL), (8, 0.1, 0.1)`)
  const answer = await load('floats', { verify: 'checksum' })
  expect([answer.status, answer.body.receipt.resources[0].checksum?.equal]).toEqual([200, true])
  expect(await bench.destination('SELECT id, toString(f4) AS f4, toString(f8) AS f8 FROM floats ORDER BY id')).toEqual([
    { id: 1, f4: 'nan', f8: 'nan' },
    { id: 2, f4: 'inf', f8: 'inf' },
    { id: 3, f4: '-inf', f8: '-inf' },
    { id: 4, f4: '-0', f8: '-0' },
    { id: 5, f4: '1e-45', f8: '5e-324' },
    { id: 6, f4: '3.4028235e38', f8: '1.7976931348623157e308' },
    { id: 7, f4: null, f8: null },
    { id: 8, f4: '0.1', f8: '0.1' },
  ])
})

const OUT_OF_RANGE: [string, string, string, RegExp][] = [
  ['a date before 1900', 'date', "'1899-12-31'", /1899-12-31/],
  ['a date after 2299', 'date', "'2300-01-01'", /2300-01-01/],
  ['a date BC', 'date', "'0044-03-15 BC'", /./],
  ['an infinite date', 'date', "'infinity'", /./],
  ['a time stamp BC', 'timestamp', "'0044-03-15 12:00:00 BC'", /./],
  ['an infinite time stamp', 'timestamptz', "'-infinity'", /./],
  ['a time stamp after 9999', 'timestamp', "'10000-01-01 00:00:00'", /./],
  ['NaN in a numeric with precision', 'numeric(10,2)', "'NaN'", /./],
]

it.each(OUT_OF_RANGE)('%s is refused by default and names the column', async (_, type, value, cause) => {
  await bench.source(`DROP TABLE IF EXISTS beyond; CREATE TABLE beyond (id int PRIMARY KEY, "the value" ${type});
    INSERT INTO beyond SELECT g, NULL FROM generate_series(1, 100) g; INSERT INTO beyond VALUES (101, ${value})`)
  await refusedAndAsBefore(bench, () => load('beyond'), {
    status: 422,
    tag: 'bad-data',
    side: 'destination',
    cause,
    place: ['column "the value"', 'beyond'],
    remedy: /Correct the value|become NULL/,
  })
})

it('values out of range become NULL and are counted when the request says so', async () => {
  await bench.source(`CREATE TABLE mixed (id int PRIMARY KEY, d date, t timestamp, z timestamptz, n numeric(10,2));
    INSERT INTO mixed VALUES (1, '1899-12-31', '0044-03-15 12:00:00 BC', 'infinity', 'NaN'), (2, 'infinity', '2024-02-29 01:02:03.456789', '-infinity', 1.25),
      (3, '2299-12-31', '10000-01-01 00:00:00', '1969-12-31 23:59:59.999999+00', -0.01)`)
  const answer = await load('mixed', { unrepresentable: 'null' })
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(
    await bench.destination('SELECT id, toString(d) AS d, toString(t) AS t, toString(z) AS z, toString(n) AS n FROM mixed ORDER BY id'),
  ).toEqual([
    { id: 1, d: null, t: null, z: null, n: null },
    { id: 2, d: null, t: '2024-02-29 01:02:03.456789', z: null, n: '1.25' },
    { id: 3, d: '2299-12-31', t: null, z: '1969-12-31 23:59:59.999999', n: '-0.01' },
  ])
  const notes = answer.body.receipt.resources[0].notes.join(' ')
  expect(notes).toMatch(/became NULL: .*2 in "d"/)
  for (const counted of ['2 in "t"', '2 in "z"', '1 in "n"']) expect(notes).toContain(counted)
})

it('numbers at their ends, numerics without precision and other awkward types arrive exactly', async () => {
  await bench.source(`CREATE TYPE mood AS ENUM ('so so', 'it''s', '😀');
    CREATE TABLE awkward (id bigint PRIMARY KEY, i2 smallint, i8 bigint, wide numeric(76,38), free numeric, b bytea, u uuid, j jsonb, texts text[], deep int[][], m mood, r int4range, i interval, a inet, c char(5), y money);
    INSERT INTO awkward VALUES
      (-9223372036854775808, -32768, 9223372036854775807, 12345678901234567890123456789012345678.12345678901234567890123456789012345678,
       'Infinity', '\\x00ff0a5c', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '{"k": [1.10, null, "\\u00e9"]}', ARRAY['a,b', 'q"q', NULL, '', E'n\\nl\\\\'], '{{1,2},{3,4}}', '😀', '[1,5)', '1 year -2 days 03:04:05.678', '10.1.2.3/8', 'ab', 12.34),
      (0, NULL, NULL, NULL, 0.1000, '', NULL, 'null', '{}', '{}', 'it''s', 'empty', '0', '::1', '', -0.5)`)
  const answer = await load('awkward')
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  const rows = await bench.destination(
    `SELECT toString(id) AS id, i2, toString(i8) AS i8, toString(wide) AS wide, free, hex(b) AS b, toString(u) AS u, j, texts, toString(m) AS m, c, toString(y) AS y FROM awkward ORDER BY id`,
  )
  expect(rows).toEqual([
    {
      id: '-9223372036854775808',
      i2: -32768,
      i8: '9223372036854775807',
      wide: '12345678901234567890123456789012345678.12345678901234567890123456789012345678',
      free: 'Infinity',
      b: '00FF0A5C',
      u: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      j: '{"k": [1.10, null, "é"]}',
      texts: ['a,b', 'q"q', null, '', 'n\nl\\'],
      m: '😀',
      c: 'ab   ',
      y: '12.34',
    },
    { id: '0', i2: null, i8: null, wide: null, free: '0.1000', b: '', u: null, j: 'null', texts: [], m: "it's", c: '     ', y: '-0.5' },
  ])
})
