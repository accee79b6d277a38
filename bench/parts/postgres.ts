import { postgresPipe } from '../pipes.ts'
import { DESTINATION_DATABASE, insertUrl, SOURCE_DATABASE, type Stage, timedLoad } from '../stage.ts'
import { createWideTable } from '../wide-table.ts'
import { type PairedResult, paired } from './paired.ts'

export const WIDE_ROWS = 2_000_000
const TARGET_RATIO = 0.9

/** At least 300 MB of Postgres into ClickHouse through the API, against psql and curl into an equal table. */
export async function measurePostgres(stage: Stage): Promise<PairedResult> {
  await createWideTable(stage, 'wide', WIDE_ROWS)
  const load = { sourceUri: stage.postgres.uri(SOURCE_DATABASE), stream: 'wide', table: 'wide' }
  await timedLoad(stage, load)
  await createEqualTable(stage, 'wide_by_pipe', 'wide')
  const pipe = postgresPipe(load.sourceUri, 'SELECT * FROM wide', insertUrl(stage, 'wide_by_pipe', 'TabSeparated'))
  const result = await paired(stage, TARGET_RATIO, load, pipe, () => emptyTable(stage, 'wide_by_pipe'))
  await assertEqualContent(stage, 'wide', 'wide_by_pipe')
  return result
}

/** A table like the one the load made, so that both ways write the same columns in the same order on disk. */
export async function createEqualTable({ clickhouse }: Stage, name: string, like: string): Promise<void> {
  await clickhouse.query(`CREATE OR REPLACE TABLE ${DESTINATION_DATABASE}.${name} AS ${DESTINATION_DATABASE}.${like}`)
}

export async function emptyTable({ clickhouse }: Stage, name: string): Promise<void> {
  await clickhouse.query(`TRUNCATE TABLE ${DESTINATION_DATABASE}.${name} SYNC`)
}

/** A faster way that delivers something else would prove nothing. */
export async function assertEqualContent({ clickhouse }: Stage, one: string, other: string): Promise<void> {
  const digest = (table: string) => clickhouse.query(`SELECT count(), sum(cityHash64(*)) FROM ${DESTINATION_DATABASE}.${table}`)
  const [a, b] = await Promise.all([digest(one), digest(other)])
  if (a !== b) throw new Error(`${one} and ${other} differ: ${a} and ${b}`)
}
