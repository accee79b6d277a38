import type { PostgresServer } from '../servers/postgres.ts'

/** A small shop with the types and values that make loads go wrong elsewhere. The same rows every time. */
export const SHOP_DATABASE = 'shop'

/** Table names as Postgres has them, and how many rows each gets. */
export const SHOP_TABLES: readonly { name: string; rows: number; shows: string }[] = [
  { name: 'users', rows: 300_000, shows: 'uuid, enum, unbounded numeric, inet, arrays, jsonb, bytea, text with tabs, newlines and emoji' },
  { name: 'products', rows: 50_000, shows: 'char(n), NaN, real, ranges, time, numeric arrays, dates from 1901 to 2299' },
  { name: 'orders', rows: 800_000, shows: 'timestamps with and without zone, enums, NULLs in most columns' },
  { name: 'Gift "Cards" 🎁', rows: 20_000, shows: 'a name and columns that need quotes' },
]

/** Text that a careless copy cuts, joins or doubles. */
const AWKWARD_TEXT = `(ARRAY[
  NULL, '', ' ', '\\N', 'NULL', 'plain',
  E'tab\\there', E'two\\nlines', E'carriage\\r\\nreturn', E'back\\\\slash \\\\t \\\\n \\\\.',
  'comma, "quotes" and ''apostrophes''', 'emoji 😀 👩‍👩‍👧 and ümläuts', E'\\u00a0\\u200b\\u2028', '{"looks": "like json"}'
])`

// Unlogged, and keys last: made in a third of the time.
const TABLES: readonly string[] = [
  `CREATE TYPE plan AS ENUM ('free', 'team', 'enterprise');
   CREATE UNLOGGED TABLE users (
     id bigint,
     public_id uuid NOT NULL,
     email text NOT NULL,
     name varchar(80) NOT NULL,
     plan plan NOT NULL,
     balance numeric(14,4) NOT NULL,
     lifetime_value numeric,
     born date,
     created_at timestamptz NOT NULL,
     last_login timestamp,
     last_ip inet,
     tags text[],
     scores integer[] NOT NULL,
     preferences jsonb,
     avatar bytea,
     trial interval,
     note text
   );
   INSERT INTO users SELECT
     i,
     md5('user ' || i)::uuid,
     'user' || i || '@example.com',
     (ARRAY['Ada', 'Zoë', 'Łukasz', '美咲', 'O''Neill', 'Мария'])[1 + i % 6] || ' ' || i,
     (ARRAY['free', 'team', 'enterprise'])[1 + i % 3]::plan,
     (i % 2000000 - 1000000) / 7.0,
     CASE WHEN i % 5 > 0 THEN i * 1.000000000000000000001 END,
     CASE WHEN i % 9 > 0 THEN date '1930-01-01' + i % 30000 END,
     timestamptz '2015-01-01 00:00:00.000001+00' + i * interval '1 minute 1 millisecond 3 microseconds',
     CASE WHEN i % 4 > 0 THEN timestamp '2024-02-29 23:59:59.999999' + i * interval '1 second' END,
     CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN ('10.' || i % 256 || '.' || i % 199 || '.0/24')::inet ELSE ('2001:db8::' || to_hex(i % 65536))::inet END,
     CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN '{}' WHEN 2 THEN ARRAY['a,b', 'with "quotes"', NULL, E'tab\\t'] ELSE ARRAY['vip', 'n' || i % 100] END,
     ARRAY[i, -i, 0],
     CASE WHEN i % 3 > 0 THEN jsonb_build_object('theme', 'dark', 'limits', jsonb_build_array(i, NULL, 1.50), 'naïve', true) END,
     CASE WHEN i % 6 > 0 THEN decode(md5('avatar ' || i), 'hex') || '\\x00090a5c'::bytea END,
     CASE WHEN i % 10 = 0 THEN make_interval(months => i % 25, days => i % 31, secs => i % 100 + 0.5) END,
     ${AWKWARD_TEXT}[1 + i % 14]
   FROM generate_series(1, ROWS) AS i;
   ALTER TABLE users ADD PRIMARY KEY (id)`,

  `CREATE UNLOGGED TABLE products (
     id integer,
     sku char(12) NOT NULL,
     title text NOT NULL,
     price numeric(10,2) NOT NULL,
     weight_grams real,
     rating double precision,
     dimensions_cm numeric(6,2)[],
     attributes json,
     released date,
     ships_from time,
     stock_range int4range,
     discontinued boolean
   );
   INSERT INTO products SELECT
     i,
     'SKU-' || lpad(i::text, 7, '0'),
     coalesce(${AWKWARD_TEXT}[1 + i % 14], 'untitled') || ' #' || i,
     (i % 100000) / 100.0,
     CASE WHEN i % 8 > 0 THEN i / 3.0 END,
     CASE i % 10 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' ELSE sqrt(i) END,
     CASE WHEN i % 3 > 0 THEN ARRAY[i % 1000 / 10.0, 20.25, NULL] END,
     json_build_object('colour', (ARRAY['red', 'grün', '青'])[1 + i % 3], 'index', i),
     CASE WHEN i % 7 > 0 THEN date '1901-01-01' + (i * 37) % 145000 END,
     CASE WHEN i % 2 = 0 THEN time '00:00' + (i % 86400) * interval '1 second' END,
     CASE WHEN i % 5 > 0 THEN int4range(i, i + 10) END,
     CASE i % 3 WHEN 0 THEN true WHEN 1 THEN false END
   FROM generate_series(1, ROWS) AS i;
   ALTER TABLE products ADD PRIMARY KEY (id)`,

  `CREATE TYPE order_status AS ENUM ('new', 'paid', 'shipped', 'returned');
   CREATE UNLOGGED TABLE orders (
     id bigint,
     user_id bigint NOT NULL,
     product_id integer NOT NULL,
     quantity smallint NOT NULL,
     amount numeric(12,2) NOT NULL,
     currency char(3) NOT NULL,
     status order_status NOT NULL,
     placed_at timestamptz NOT NULL,
     shipped_at timestamptz,
     delivery_day date,
     coupon text,
     note text
   );
   INSERT INTO orders SELECT
     i,
     1 + i % 300000,
     1 + i % 50000,
     1 + i % 5,
     (i % 1000000) / 13.0,
     (ARRAY['EUR', 'USD', 'JPY'])[1 + i % 3],
     (ARRAY['new', 'paid', 'shipped', 'returned'])[1 + i % 4]::order_status,
     timestamptz '2020-03-29 00:59:59.123456+00' + i * interval '97 seconds',
     CASE WHEN i % 4 > 1 THEN timestamptz '2020-10-25 01:30:00+02' + i * interval '97 seconds' END,
     CASE WHEN i % 3 > 0 THEN date '2020-04-01' + i % 1500 END,
     CASE WHEN i % 11 = 0 THEN 'SAVE-' || i % 50 END,
     ${AWKWARD_TEXT}[1 + i % 14]
   FROM generate_series(1, ROWS) AS i;
   ALTER TABLE orders ADD PRIMARY KEY (id)`,

  `CREATE UNLOGGED TABLE "Gift ""Cards"" 🎁" (
     "Code" text,
     "select" integer NOT NULL,
     "value in €" numeric(8,2),
     "größe.x" double precision,
     "Used At" timestamptz
   );
   INSERT INTO "Gift ""Cards"" 🎁" SELECT
     'GIFT-' || i, i, CASE WHEN i % 4 > 0 THEN i / 100.0 END, i / 7.0, CASE WHEN i % 2 = 0 THEN timestamptz '1969-12-31 23:59:59.5+00' + i * interval '1 hour' END
   FROM generate_series(1, ROWS) AS i;
   ALTER TABLE "Gift ""Cards"" 🎁" ADD PRIMARY KEY ("Code")`,
]

/** Makes the database, with `scale` times the rows; on all of the server's cores. */
export async function createShop(postgres: PostgresServer, scale = 1): Promise<void> {
  await postgres.query(`CREATE DATABASE ${SHOP_DATABASE} ENCODING 'UTF8' TEMPLATE template0`)
  await Promise.all(
    TABLES.map(async (sql, index) => {
      const rows = Math.round((SHOP_TABLES[index]?.rows ?? 0) * scale)
      await postgres.query(`SET TIME ZONE 'UTC'; ${sql.replaceAll('ROWS', String(rows))}`, SHOP_DATABASE)
    }),
  )
  await postgres.query('VACUUM ANALYZE', SHOP_DATABASE)
}
