import { textTable } from '../test/support/quickstart/text-form.ts'
import type { CancelResult } from './parts/cancel.ts'
import type { ChunksResult } from './parts/chunks.ts'
import type { MemoryResult } from './parts/memory.ts'
import type { OneRowResult } from './parts/one-row.ts'
import type { PairedResult } from './parts/paired.ts'
import type { Baseline } from './run.ts'

const CPU_TARGET_MS_PER_MB = 4
/** The load of one part is still in the average when the next one begins, so more than the benchmark itself makes. */
const BUSY_LOAD_PER_CORE = 3

/** What was measured, against what it is held to; a line that misses says where the time goes. */
export function summary({ parts }: Baseline): string {
  const rows: string[][] = [['what', 'measured', 'target', '']]
  const notes: string[] = []
  const add = (what: string, measured: string, target: string, met: boolean) => rows.push([what, measured, target, met ? 'met' : 'MISSED'])
  for (const [name, title] of [
    ['postgres', 'Postgres → ClickHouse'],
    ['object', 'CSV object → ClickHouse'],
  ] as const) {
    const result = parts[name]?.result as PairedResult | undefined
    if (!result) continue
    add(
      `${title}, ${(result.bytes / 1e6).toFixed(0)} MB, speed / pipe`,
      `${result.ratio} (${result.ratioWorst} … ${result.ratioBest})`,
      `≥ ${result.target}`,
      result.met,
    )
    add(`${title}, CPU of workerd`, `${result.cpuMsPerMb} ms/MB`, `≤ ${CPU_TARGET_MS_PER_MB}`, result.cpuMsPerMb <= CPU_TARGET_MS_PER_MB)
    const { startSeconds, planSeconds, copySeconds, commitSeconds, endSeconds, chunks, lane } = result.whereTimeGoes
    notes.push(
      `${title}: Sluice ${result.sluiceMbPerSecond} MB/s, pipe ${result.pipeMbPerSecond} MB/s (${result.against}). ` +
        `Start ${startSeconds} s, plan ${planSeconds} s, copy ${copySeconds} s, commit ${commitSeconds} s, end ${endSeconds} s; ${chunks} chunks; ${lane}.`,
      `CPU seconds a run, mover / Postgres / ClickHouse: pipe ${shares(result.cpuSeconds.pipe)}, Sluice ${shares(result.cpuSeconds.sluice)}.`,
    )
  }
  const oneRow = parts['one-row']?.result as OneRowResult | undefined
  if (oneRow) {
    add(
      'One row, POST to answer',
      `median ${oneRow.medianSeconds} s, p95 ${oneRow.p95Seconds} s`,
      `< ${oneRow.targetSeconds} s`,
      oneRow.met,
    )
  }
  const memory = parts.memory?.result as MemoryResult | undefined
  if (memory) {
    add(
      `Memory of workerd above idle, ${(memory.bytes / 1e6).toFixed(0)} MB moved twice`,
      `peak ${memory.peakAboveIdleMb} MB, drift ${memory.driftMb} MB`,
      `≤ ${memory.targetAboveIdleMb} MB`,
      memory.met,
    )
    notes.push(`Memory over time, MB: ${memory.curveMb.join(' ')} (idle ${memory.idleMb}).`)
  }
  const chunks = parts.chunks?.result as ChunksResult | undefined
  if (chunks) {
    const points = chunks.points.map(({ chunks: count, seconds }) => `${count}: ${seconds} s`).join(', ')
    const share = (chunks.overheadShareAtDefault * 100).toFixed(1)
    add(
      'One more chunk, of a default chunk’s time',
      `${share} % (${chunks.points.at(-1)?.msPerExtraChunk} ms)`,
      `< ${chunks.targetShare * 100} %`,
      chunks.met,
    )
    notes.push(`Chunks of the same ${(chunks.bytes / 1e6).toFixed(0)} MB: ${points}.`)
  }
  const cancel = parts.cancel?.result as CancelResult | undefined
  if (cancel) {
    add(
      'Cancel shows / nothing moves any more, worst',
      `${cancel.visibleWorstSeconds} s / ${cancel.quietWorstSeconds} s`,
      `< ${cancel.target.visibleSeconds} s / < ${cancel.target.quietSeconds} s`,
      cancel.met,
    )
    notes.push(`Cancel to the end, staging removed: median ${cancel.endedMedianSeconds} s.`)
  }
  for (const [name, { machine, loadBefore }] of Object.entries(parts)) {
    if (loadBefore > machine.cores * BUSY_LOAD_PER_CORE) {
      notes.push(
        `NOT A QUIET MACHINE: load ${loadBefore} on ${machine.cores} cores before part ${name}; its times say little, its CPU more.`,
      )
    }
  }
  return [textTable(rows), '', ...notes.map((note) => `  ${note}`), ''].join('\n')
}

function shares({ mover, postgres, clickhouse }: PairedResult['cpuSeconds']['pipe']): string {
  return `${mover} / ${postgres} / ${clickhouse}`
}
