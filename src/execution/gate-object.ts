import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../env.ts'
import { EMPTY_GATE, enter, type Gate, leave } from './gate.ts'

/**
 * One thing that only so many may use at once: a source's connections, a destination's writers, the commit of one
 * table, the runs of one pipeline. Places expire, so that a dead holder blocks nobody for long.
 */
export class GateObject extends DurableObject<Env> {
  /** Who waits need not survive a restart: everybody who still wants a place asks again. Who is inside must. */
  private state: Gate
  private readonly wakers = new Map<string, () => void>()

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.state = { ...(ctx.storage.kv.get<Gate>('gate') ?? EMPTY_GATE), waiters: [] }
  }

  /** Waits up to `waitMs` for a place; null when none came free. A holder asks again before `ttlMs` to keep it. */
  async acquire(name: string, capacity: number, ttlMs: number, waitMs: number): Promise<number | null> {
    const deadline = Date.now() + waitMs
    for (;;) {
      const { gate, fence } = enter(this.state, name, capacity, ttlMs, Date.now())
      this.change(gate)
      if (fence !== undefined) return fence
      const leftMs = deadline - Date.now()
      if (leftMs <= 0) return null
      await this.wakened(name, Math.min(leftMs, 1_000))
    }
  }

  async release(name: string): Promise<void> {
    this.change(leave(this.state, name))
    const next = this.state.waiters.find((waiter) => this.wakers.has(waiter.name))
    if (next) this.wakers.get(next.name)?.()
  }

  private change(gate: Gate): void {
    const before = this.state
    this.state = gate
    if (gate.holders !== before.holders) this.ctx.storage.kv.put('gate', { ...gate, waiters: [] })
  }

  private async wakened(name: string, timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.wakers.delete(name)
        resolve()
      }
      const timer = setTimeout(wake, timeoutMs)
      this.wakers.set(name, wake)
    })
  }
}

/** A gate by its name; two callers with one name meet. */
export function gate(env: Env, name: string): DurableObjectStub<GateObject> {
  return env.GATES.get(env.GATES.idFromName(name))
}
