import { watchMemory } from '../processes.ts'
import { SOURCE_DATABASE, type Stage, timedLoad, workerdOf } from '../stage.ts'
import { median, rounded } from '../statistics.ts'
import { createWideTable } from '../wide-table.ts'

const ROWS = 6_000_000
const TARGET_MB = 64
/** Moments of both transfers that the report shows. */
const CURVE_POINTS = 20

export interface MemoryResult {
  bytes: number
  seconds: number
  idleMb: number
  peakMb: number
  peakAboveIdleMb: number
  /** Of the second transfer: median of the last third less the median of the first third. Near 0 is flat. */
  driftMb: number
  curveMb: number[]
  targetAboveIdleMb: number
  met: boolean
}

/** Resident memory of workerd, all of it, while more than 1 GB passes through, twice. */
export async function measureMemory(stage: Stage): Promise<MemoryResult> {
  await createWideTable(stage, 'large', ROWS)
  const sluice = await stage.startSluice()
  const load = { sourceUri: stage.postgres.uri(SOURCE_DATABASE), stream: 'one_row_for_memory', table: 'one_row_for_memory' }
  await stage.postgres.query('CREATE TABLE one_row_for_memory AS SELECT 1 AS id', SOURCE_DATABASE)
  // So that idle memory has all code loaded.
  for (let run = 0; run < 3; run++) await timedLoad(stage, load, sluice)
  const { result, memory } = await watchMemory(workerdOf(sluice), () =>
    timedLoad(stage, { ...load, stream: 'large', table: 'large' }, sluice),
  )
  // What the first transfer makes the allocator and the JavaScript heap keep is there already.
  const { memory: second } = await watchMemory(workerdOf(sluice), () =>
    timedLoad(stage, { ...load, stream: 'large', table: 'large' }, sluice),
  )
  const { idleBytes } = memory
  const samples = [...memory.samples, ...second.samples]
  const third = Math.floor(second.samples.length / 3)
  const peak = Math.max(...samples)
  return {
    bytes: result.receipt.resources[0]?.bytes ?? 0,
    seconds: rounded(result.seconds, 1),
    idleMb: megabytes(idleBytes),
    peakMb: megabytes(peak),
    peakAboveIdleMb: megabytes(peak - idleBytes),
    driftMb: megabytes(median(second.samples.slice(-third)) - median(second.samples.slice(0, third))),
    curveMb: Array.from({ length: CURVE_POINTS }, (_, at) =>
      megabytes(samples[Math.floor((at * (samples.length - 1)) / (CURVE_POINTS - 1))] ?? 0),
    ),
    targetAboveIdleMb: TARGET_MB,
    met: (peak - idleBytes) / 1e6 <= TARGET_MB,
  }
}

function megabytes(bytes: number): number {
  return rounded(bytes / 1e6, 0)
}
