import { IngestError, type Place } from '../../../core/errors.ts'
import { SILENT_QUERY_MAX_MS } from '../../../limits.ts'
import type { Interrupt } from './interrupt.ts'

/** A silent peer raises no error, but a query that sorts for minutes is silent as well: so ask. */
export class IdleGuard {
  private readonly interrupt: Interrupt
  private readonly place: Place
  private readonly idleTimeoutMs: number
  private readonly isWorking: () => Promise<boolean>
  private asking = false

  /** @param isWorking asked when nothing came for `idleTimeoutMs`: false when the server no longer works on it */
  constructor(interrupt: Interrupt, place: Place, idleTimeoutMs: number, isWorking: () => Promise<boolean>) {
    this.interrupt = interrupt
    this.place = place
    this.idleTimeoutMs = idleTimeoutMs
    this.isWorking = isWorking
  }

  watch<T>(promise: Promise<T>): Promise<T> {
    const since = { waiting: true, silentMs: 0 }
    const settled = () => {
      since.waiting = false
    }
    promise.then(settled, settled)
    return this.interrupt.wait(promise, this.idleTimeoutMs, () => void this.ask(since))
  }

  private async ask(since: { waiting: boolean; silentMs: number }): Promise<void> {
    since.silentMs += this.idleTimeoutMs
    // Also when the last question is not answered yet.
    if (!this.asking && since.silentMs < SILENT_QUERY_MAX_MS) {
      this.asking = true
      const working = await this.isWorking().catch(() => false)
      this.asking = false
      // What was waited for may have come meanwhile.
      if (working || !since.waiting) return
    }
    this.interrupt.fail(
      new IngestError({
        tag: 'unreachable',
        message: `The server sent nothing for ${since.silentMs / 1000} s and does not work on the query any more`,
        place: this.place,
        remedy: 'Check the server and the network between; it is tried again.',
        code: 'idle',
      }),
    )
  }
}
