import { SOURCE_DATABASE, type Stage } from './stage.ts'

/** 16 columns of the types that are common in real tables; about 170 bytes a row in COPY's text form. */
const COLUMNS = `
  id bigint NOT NULL, user_id integer NOT NULL, kind smallint NOT NULL, active boolean NOT NULL,
  amount numeric(12,2) NOT NULL, price double precision, created_at timestamptz NOT NULL, updated_at timestamp,
  day date NOT NULL, code uuid NOT NULL, sku varchar(20) NOT NULL, country text NOT NULL,
  title text NOT NULL, note text, meta text, score integer`

/** A table of `rows` rows, filled on both cores; the same rows every time. */
export async function createWideTable(stage: Stage, name: string, rows: number): Promise<void> {
  const { postgres } = stage
  await postgres.query(`CREATE UNLOGGED TABLE ${name} (${COLUMNS})`, SOURCE_DATABASE)
  const half = Math.floor(rows / 2)
  await Promise.all([fill(stage, name, 1, half), fill(stage, name, half + 1, rows)])
  await postgres.query(`VACUUM (ANALYZE, FREEZE) ${name}`, SOURCE_DATABASE)
}

async function fill({ postgres }: Stage, name: string, from: number, to: number): Promise<void> {
  await postgres.query(
    `INSERT INTO ${name} SELECT
       i, i % 100000, i % 7, i % 3 = 0,
       (i % 1000000) / 7.0, CASE WHEN i % 10 > 0 THEN i / 3.0 END,
       timestamptz '2020-01-01 00:00:00.123456+00' + i * interval '31 seconds',
       CASE WHEN i % 4 > 0 THEN timestamp '2021-01-01' + i * interval '17 seconds' END,
       date '2020-01-01' + i % 2000, md5(i::text)::uuid, 'SKU-' || i % 50000, (ARRAY['DE', 'FR', 'JP', 'US'])[1 + i % 4],
       'A title for row ' || i, CASE WHEN i % 3 > 0 THEN 'note with a tab' || chr(9) || 'and more words' END,
       CASE WHEN i % 2 = 0 THEN '{"index": ' || i || ', "tags": ["a", "b"]}' END, CASE WHEN i % 5 > 0 THEN i % 1000 END
     FROM generate_series(${from}, ${to}) AS i`,
    SOURCE_DATABASE,
  )
}
