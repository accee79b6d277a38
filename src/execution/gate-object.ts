import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import { EMPTY_GATE, enter, type Gate, leave } from './gate.ts'

/**
 * One thing that only so many may use at once: a source's connections, a destination's writers, the commit of one
 * table, the runs of one pipeline. Places expire, so that a dead holder blocks nobody for long.
 */
export class GateObject extends DurableObject<Env> {
  private wakers = new Set<() => void>()

  /** Waits up to `waitMs` for a place. A holder asks again before `ttlMs` to keep it. */
  async acquire(name: string, capacity: number, ttlMs: number, waitMs: number): Promise<number | null> {
    const deadline = Date.now() + waitMs
    for (;;) {
      const result = enter(this.load(), name, capacity, ttlMs, Date.now())
      this.save(result.gate)
      if (result.fence !== undefined) return result.fence
      const leftMs = deadline - Date.now()
      if (leftMs <= 0) return null
      await this.change(Math.min(leftMs, 1_000))
    }
  }

  async release(name: string): Promise<void> {
    this.save(leave(this.load(), name))
    for (const wake of this.wakers) wake()
  }

  private load(): Gate {
    return this.ctx.storage.kv.get<Gate>('gate') ?? EMPTY_GATE
  }

  private save(gate: Gate): void {
    if (gate.holders.length + gate.waiters.length === 0 && gate.nextFence === EMPTY_GATE.nextFence) return
    this.ctx.storage.kv.put('gate', gate)
  }

  private async change(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.wakers.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, timeoutMs)
      this.wakers.add(wake)
    })
  }
}

/** A gate by its name; two callers with one name meet. */
export function gate(env: Env, name: string): DurableObjectStub<GateObject> {
  return env.GATES.get(env.GATES.idFromName(name))
}
