import type { Pipe } from '../pipes.ts'
import { cpuSeconds, endedChildrenCpuSeconds, treeCpuSeconds, watchMemory } from '../processes.ts'
import { type Breakdown, breakdown, type LoadRequest, type Measured, type Stage, timedLoad, workerdOf } from '../stage.ts'
import { median, quantile, rounded } from '../statistics.ts'

export interface PairedResult {
  against: string
  bytes: number
  rows: number
  runs: { pipeSeconds: number; sluiceSeconds: number; ratio: number }[]
  pipeMbPerSecond: number
  sluiceMbPerSecond: number
  /** Median of pipe time / Sluice time of each pair; above 1 Sluice is faster. */
  ratio: number
  ratioWorst: number
  ratioBest: number
  target: number
  met: boolean
  /** Median seconds of each phase of the Sluice runs. */
  whereTimeGoes: Breakdown & { chunks: number; lane: string }
  /** Of workerd, the mover. */
  cpuMsPerMb: number
  /** Median CPU seconds of a run by who used them; with few cores this is what decides the ratio. */
  cpuSeconds: { pipe: CpuShares; sluice: CpuShares }
  memory: { idleMb: number; peakAboveIdleMb: number }
}

interface CpuShares {
  /** psql and curl, or workerd. */
  mover: number
  postgres: number
  clickhouse: number
}

function cpuMeter(stage: Stage, mover: () => number): () => CpuShares {
  const read = (): CpuShares => ({
    mover: mover(),
    postgres: treeCpuSeconds(stage.postgres.pid ?? 0),
    clickhouse: treeCpuSeconds(stage.clickhouse.pid ?? 0),
  })
  const before = read()
  return () => {
    const after = read()
    return {
      mover: after.mover - before.mover,
      postgres: after.postgres - before.postgres,
      clickhouse: after.clickhouse - before.clickhouse,
    }
  }
}

function medianShares(all: CpuShares[]): CpuShares {
  const of = (name: keyof CpuShares) => rounded(median(all.map((one) => one[name])), 2)
  return { mover: of('mover'), postgres: of('postgres'), clickhouse: of('clickhouse') }
}

/** Runs both ways alternately, each pair in another order, after one run of each that does not count. */
export async function paired(
  stage: Stage,
  target: number,
  load: LoadRequest,
  pipe: Pipe,
  emptyPipeTable: () => Promise<void>,
): Promise<PairedResult> {
  const pids = workerdOf(stage.sluice)
  const pipeCpu: CpuShares[] = []
  const sluiceCpu: CpuShares[] = []
  const runPipe = async () => {
    await emptyPipeTable()
    const meter = cpuMeter(stage, endedChildrenCpuSeconds)
    const seconds = await pipe.run()
    pipeCpu.push(meter())
    return seconds
  }
  await runPipe()
  const warm = await timedLoad(stage, load)
  const measured: Measured[] = []
  const runs: PairedResult['runs'] = []
  const cpuPerMb: number[] = []
  const peaks: { idle: number; peak: number }[] = []
  for (let run = 0; run < stage.runs; run++) {
    const pipeFirst = run % 2 === 0
    const before = pipeFirst ? await runPipe() : undefined
    const meter = cpuMeter(stage, () => cpuSeconds(pids))
    const { result, memory } = await watchMemory(pids, () => timedLoad(stage, load))
    const bytes = result.receipt.resources[0]?.bytes ?? 0
    const cpu = meter()
    sluiceCpu.push(cpu)
    cpuPerMb.push((cpu.mover * 1000) / (bytes / 1e6))
    peaks.push({ idle: memory.idleBytes, peak: Math.max(0, ...memory.samples) })
    const pipeSeconds = before ?? (await runPipe())
    measured.push(result)
    runs.push({ pipeSeconds: rounded(pipeSeconds), sluiceSeconds: rounded(result.seconds), ratio: rounded(pipeSeconds / result.seconds) })
    stage.say(
      `  pair ${run + 1}: pipe ${pipeSeconds.toFixed(2)} s, Sluice ${result.seconds.toFixed(2)} s, ratio ${(pipeSeconds / result.seconds).toFixed(2)}`,
    )
  }
  const proof = warm.receipt.resources[0]
  if (!proof) throw new Error('the receipt names no table')
  const ratios = runs.map((run) => run.ratio)
  const phases = measured.map(breakdown)
  const phase = (name: keyof Breakdown) => rounded(median(phases.map((one) => one[name])))
  return {
    against: pipe.name,
    bytes: proof.bytes,
    rows: proof.rows.delivered,
    runs,
    pipeMbPerSecond: rounded(proof.bytes / 1e6 / median(runs.map((run) => run.pipeSeconds)), 1),
    sluiceMbPerSecond: rounded(proof.bytes / 1e6 / median(runs.map((run) => run.sluiceSeconds)), 1),
    ratio: rounded(median(ratios)),
    ratioWorst: rounded(quantile(ratios, 0)),
    ratioBest: rounded(quantile(ratios, 1)),
    target,
    met: median(ratios) >= target,
    whereTimeGoes: {
      startSeconds: phase('startSeconds'),
      planSeconds: phase('planSeconds'),
      copySeconds: phase('copySeconds'),
      commitSeconds: phase('commitSeconds'),
      endSeconds: phase('endSeconds'),
      chunks: proof.chunks.done,
      lane: proof.lane ?? 'unknown',
    },
    cpuSeconds: { pipe: medianShares(pipeCpu), sluice: medianShares(sluiceCpu) },
    cpuMsPerMb: rounded(median(cpuPerMb), 2),
    memory: {
      idleMb: rounded((peaks[0]?.idle ?? 0) / 1e6, 0),
      peakAboveIdleMb: rounded(Math.max(...peaks.map(({ peak }) => peak - (peaks[0]?.idle ?? 0))) / 1e6, 0),
    },
  }
}
