import type { Arena } from './arena.ts'
import type { Random } from './random.ts'

/** Who dies. */
export type Victim =
  /** wrangler and workerd, with everything in their memory. */
  | 'worker'
  /** The same, and again while it recovers. */
  | 'worker twice'
  /** The Postgres session that sends a chunk: politely, or kill -9, which makes Postgres end all its sessions. */
  | 'copy session'
  | 'copy backend'
  /** The Postgres session that holds the snapshot of all chunks. */
  | 'snapshot session'
  | 'snapshot backend'
  | 'Postgres'
  | 'ClickHouse'
  | 'both ends'
  | 'everything'

/** Longest time something stays dead; what is healed must outlast it. */
const DEAD_MAX_MS = 1_000

/** Between two chunks there is no session that sends one. */
const SESSION_WAIT_MS = 1_500

/** Kills at once, without waiting for anything: called from inside file system events. */
export function killNow(arena: Arena, victim: 'worker' | 'ClickHouse'): void {
  const pid = victim === 'worker' ? -(arena.sluice.pid ?? 0) : arena.clickhouse.pid
  if (!pid) throw new Error(`there is no ${victim} to kill`)
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is dead already.
  }
}

/** Kills, leaves dead for a while, and starts again on the same data. @returns what was done, for the table */
export async function strike(arena: Arena, victim: Victim, random: Random): Promise<string> {
  const deadMs = random.between(0, DEAD_MAX_MS)
  switch (victim) {
    case 'worker':
      await arena.sluice.kill()
      await arena.sluice.restart()
      return 'kill -9'
    case 'worker twice': {
      const againMs = random.between(0, 4_000)
      await arena.sluice.kill()
      await arena.sluice.restart()
      await sleep(againMs)
      await arena.sluice.kill()
      await arena.sluice.restart()
      return `kill -9, again ${againMs} ms after it was up`
    }
    case 'copy session':
    case 'copy backend':
      return await endSession(arena, `query LIKE 'COPY%'`, victim === 'copy backend')
    case 'snapshot session':
    case 'snapshot backend':
      return await endSession(arena, `query LIKE '%pg_export_snapshot%' OR query = 'SELECT 1'`, victim === 'snapshot backend')
    case 'Postgres':
      await arena.postgres.kill()
      await sleep(deadMs)
      await arena.postgres.restart()
      return `kill -9, down ${deadMs} ms`
    case 'ClickHouse':
      await arena.clickhouse.kill()
      await sleep(deadMs)
      await arena.clickhouse.restart()
      return `kill -9, down ${deadMs} ms`
    case 'both ends':
      await Promise.all([arena.postgres.kill(), arena.clickhouse.kill()])
      await sleep(deadMs)
      await Promise.all([arena.postgres.restart(), arena.clickhouse.restart()])
      return `kill -9, down ${deadMs} ms`
    case 'everything':
      await Promise.all([arena.postgres.kill(), arena.clickhouse.kill(), arena.sluice.kill()])
      await Promise.all([arena.postgres.restart(), arena.clickhouse.restart(), arena.sluice.restart()])
      return 'kill -9'
  }
}

/** Ends one session of the service, chosen by what it runs, as soon as there is one. */
async function endSession(arena: Arena, which: string, hard: boolean): Promise<string> {
  const deadline = Date.now() + SESSION_WAIT_MS
  for (;;) {
    const end = hard ? 'pid' : 'pid, pg_terminate_backend(pid)'
    const found = await arena.postgres.query<{ pid: number }>(
      `SELECT ${end} FROM (SELECT pid FROM pg_stat_activity WHERE application_name = 'sluice' AND (${which}) ORDER BY random() LIMIT 1) AS one`,
    )
    const pid = found[0]?.pid
    if (pid !== undefined) {
      if (hard) process.kill(pid, 'SIGKILL')
      return hard ? 'kill -9' : 'terminated'
    }
    if (Date.now() > deadline) return 'too late'
    await sleep(10)
  }
}

export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
