import type { Sluice } from '../../test/support/servers/sluice.ts'
import { loadBody, SOURCE_DATABASE, type Stage } from '../stage.ts'
import { median, quantile, rounded } from '../statistics.ts'
import { createWideTable } from '../wide-table.ts'

const ROWS = 4_000_000
const MOVED_BYTES_BEFORE_CANCEL = 20e6
const DEADLINE_MS = 60_000
const TARGET_VISIBLE_SECONDS = 1
const TARGET_QUIET_SECONDS = 2

export interface CancelResult {
  runs: { cold: boolean; visibleSeconds: number; quietSeconds: number; endedSeconds: number }[]
  visibleMedianSeconds: number
  quietMedianSeconds: number
  endedMedianSeconds: number
  visibleWorstSeconds: number
  quietWorstSeconds: number
  target: { visibleSeconds: number; quietSeconds: number }
  met: boolean
}

/**
 * From POST …/cancel until the status says so, until neither server has a copy of ours running, and until the run has
 * ended with everything cleaned up. The first run is the first load of a service that has just started.
 */
export async function measureCancel(stage: Stage): Promise<CancelResult> {
  await createWideTable(stage, 'to_cancel', ROWS)
  const sluice = await stage.startSluice()
  const runs: CancelResult['runs'] = []
  for (let run = 0; run < stage.runs; run++) runs.push(await once(stage, sluice, run === 0))
  const all = (name: 'visibleSeconds' | 'quietSeconds' | 'endedSeconds') => runs.map((run) => run[name])
  return {
    runs,
    visibleMedianSeconds: rounded(median(all('visibleSeconds'))),
    quietMedianSeconds: rounded(median(all('quietSeconds'))),
    endedMedianSeconds: rounded(median(all('endedSeconds'))),
    visibleWorstSeconds: rounded(quantile(all('visibleSeconds'), 1)),
    quietWorstSeconds: rounded(quantile(all('quietSeconds'), 1)),
    target: { visibleSeconds: TARGET_VISIBLE_SECONDS, quietSeconds: TARGET_QUIET_SECONDS },
    met: quantile(all('visibleSeconds'), 1) < TARGET_VISIBLE_SECONDS && quantile(all('quietSeconds'), 1) < TARGET_QUIET_SECONDS,
  }
}

async function once(stage: Stage, sluice: Sluice, cold: boolean): Promise<CancelResult['runs'][number]> {
  const load = { sourceUri: stage.postgres.uri(SOURCE_DATABASE), stream: 'to_cancel', table: 'to_cancel' }
  const { status, body } = await sluice.post('/ingest', loadBody(stage, load), { prefer: 'respond-async' })
  if (status !== 202) throw new Error(`POST /ingest answered ${status}: ${String(body.message)}`)
  const path = `/ingest/executions/${String(body.execution_id)}`
  const view = async () =>
    (await sluice.get(path)).body as unknown as { status: string; receipt: { cancel_requested: boolean; resources: { bytes: number }[] } }
  await until('the copy', async () => {
    const now = await view()
    if (now.status !== 'processing') throw new Error(`the load ended before it could be cancelled: ${now.status}`)
    return (now.receipt.resources[0]?.bytes ?? 0) > MOVED_BYTES_BEFORE_CANCEL
  })
  const startedAtMs = performance.now()
  const seconds = () => rounded((performance.now() - startedAtMs) / 1000)
  const cancelled = sluice.post(`${path}/cancel`, {})
  const visible = until('the cancel to show', async () => {
    const now = await view()
    return now.receipt.cancel_requested || now.status === 'error'
  }).then(seconds)
  const quiet = until('the copy to stop', async () => (await copiesRunning(stage)) === 0).then(seconds)
  const ended = until('the end', async () => (await view()).status === 'error').then(seconds)
  const [visibleSeconds, quietSeconds, endedSeconds] = await Promise.all([visible, quiet, ended])
  await cancelled
  return { cold, visibleSeconds, quietSeconds, endedSeconds }
}

/** Statements of ours that move rows at either server now. */
async function copiesRunning({ postgres, clickhouse }: Stage): Promise<number> {
  const [sending] = await postgres.query<{ n: string }>(
    "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND query ILIKE 'copy %'",
  )
  const taking = await clickhouse.query("SELECT count() FROM system.processes WHERE query_kind = 'Insert'")
  return Number(sending?.n) + Number(taking)
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + DEADLINE_MS
  while (!(await isSo())) {
    if (Date.now() > deadlineMs) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
