import { SOURCE_DATABASE, type Stage, timedLoad } from '../stage.ts'
import { median, quantile, rounded } from '../statistics.ts'

const LOADS = 30
const TARGET_SECONDS = 1

export interface OneRowResult {
  loads: number
  medianSeconds: number
  p95Seconds: number
  worstSeconds: number
  targetSeconds: number
  met: boolean
}

/** POST to answer for a table of one row: the price of everything that does not grow with the table. */
export async function measureOneRow(stage: Stage): Promise<OneRowResult> {
  await stage.postgres.query('CREATE TABLE one_row AS SELECT 1 AS id, now() AS at', SOURCE_DATABASE)
  const load = { sourceUri: stage.postgres.uri(SOURCE_DATABASE), stream: 'one_row', table: 'one_row' }
  await timedLoad(stage, load)
  const seconds: number[] = []
  for (let run = 0; run < LOADS; run++) seconds.push((await timedLoad(stage, load)).seconds)
  return {
    loads: LOADS,
    medianSeconds: rounded(median(seconds)),
    p95Seconds: rounded(quantile(seconds, 0.95)),
    worstSeconds: rounded(quantile(seconds, 1)),
    targetSeconds: TARGET_SECONDS,
    met: quantile(seconds, 0.95) < TARGET_SECONDS,
  }
}
