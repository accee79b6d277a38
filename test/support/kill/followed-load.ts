import type { Sluice } from '../servers/sluice.ts'

/** What a status answer looks like, as far as these tests look. */
export interface Status {
  status: 'processing' | 'success' | 'error'
  message: string
  receipt: {
    state: string
    resources: {
      phase: string
      consistency: string | null
      rows: { read: number | null; delivered: number; found: number | null; folded: number | null; in_table: number | null }
      chunks: { done: number; total: number }
      checksum: { equal: boolean } | null
      fault: { code?: string } | null
    }[]
    healing: { rule: string }[]
  }
}

const DEADLINE_MS = 150_000
/** The cron trigger of production, which local development never fires by itself. */
const SWEEP_EVERY_MS = 60_000
/** What ended right before a kill may not have been printed, so the status is looked at as well, seldom. */
const LOOK_EVERY_MS = 4_000

/** One load under way, watched without helping it. */
export class FollowedLoad {
  readonly id: string
  /** How often the sweeper had to be called before the end came. */
  sweeps = 0
  private readonly sluice: Sluice

  private constructor(sluice: Sluice, id: string) {
    this.sluice = sluice
    this.id = id
  }

  static async start(sluice: Sluice, body: unknown): Promise<FollowedLoad> {
    const answer = await sluice.post('/ingest', body, { prefer: 'respond-async' })
    if (answer.status !== 202) throw new Error(`not accepted: ${answer.status} ${JSON.stringify(answer.body)}`)
    return new FollowedLoad(sluice, String(answer.body.execution_id))
  }

  /** Undefined while the service is down. */
  async status(): Promise<Status | undefined> {
    try {
      const response = await fetch(`${this.sluice.url}/ingest/executions/${this.id}`, { signal: AbortSignal.timeout(5_000) })
      return response.ok ? ((await response.json()) as Status) : undefined
    } catch {
      return undefined
    }
  }

  async cancel(): Promise<void> {
    await this.sluice.post(`/ingest/executions/${this.id}/cancel`, {})
  }

  /** True once so many chunks are done, false when the load ended before. */
  async reaches(chunks: number): Promise<boolean> {
    for (;;) {
      const status = await this.status()
      if (status && status.status !== 'processing') return false
      if ((status?.receipt.resources[0]?.chunks.done ?? 0) >= chunks) return true
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  /**
   * Waits for the end. It is read from what the service prints, so that hardly a request wakes the run's object: what
   * brings it to its end is its alarm alone, or the sweeper, whose calls are counted.
   */
  async end(): Promise<Status> {
    const startMs = Date.now()
    let sweepMs = startMs + SWEEP_EVERY_MS
    let lookMs = startMs + LOOK_EVERY_MS
    while (!this.printedEnd()) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      const nowMs = Date.now()
      if (nowMs > startMs + DEADLINE_MS) {
        throw new Error(
          `load ${this.id} did not end by itself: ${JSON.stringify(await this.status())}\n${this.sluice.output.slice(-3_000)}`,
        )
      }
      if (nowMs > lookMs) {
        lookMs = nowMs + LOOK_EVERY_MS
        const status = await this.status()
        if (status && status.status !== 'processing') return status
      }
      if (nowMs > sweepMs) {
        sweepMs = nowMs + SWEEP_EVERY_MS
        this.sweeps++
        await this.sluice.sweep().catch(() => {})
      }
    }
    const status = await this.status()
    if (!status || status.status === 'processing') throw new Error(`load ${this.id} ended, but its status is ${JSON.stringify(status)}`)
    return status
  }

  private printedEnd(): boolean {
    return this.sluice.output.split('\n').some((line) => line.includes('"execution ended"') && line.includes(this.id))
  }
}
