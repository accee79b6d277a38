/** A counting semaphore as data: who is in, until when, and who waits, in order. */
export interface Gate {
  holders: { name: string; untilMs: number; fence: number }[]
  waiters: { name: string; seenMs: number }[]
  nextFence: number
}

export const EMPTY_GATE: Gate = { holders: [], waiters: [], nextFence: 1 }

/** A waiter that has not asked again for this long has gone away and loses its turn. */
const WAITER_GONE_AFTER_MS = 5_000

/**
 * Asks for a place. First come, first served; asking again keeps the turn, and a holder that asks again keeps its place.
 * @returns the gate afterwards and, when `name` is in, its fencing number (grows with every new holder)
 */
export function enter(gate: Gate, name: string, capacity: number, ttlMs: number, nowMs: number): { gate: Gate; fence?: number } {
  const expired = gate.holders.some((holder) => holder.untilMs <= nowMs)
  const holders = expired ? gate.holders.filter((holder) => holder.untilMs > nowMs) : gate.holders
  const own = holders.find((holder) => holder.name === name)
  if (own) {
    return {
      gate: { ...gate, holders: holders.map((holder) => (holder === own ? { ...own, untilMs: nowMs + ttlMs } : holder)) },
      fence: own.fence,
    }
  }
  const waiters = gate.waiters.filter((waiter) => waiter.name === name || waiter.seenMs + WAITER_GONE_AFTER_MS > nowMs)
  if (!waiters.some((waiter) => waiter.name === name)) waiters.push({ name, seenMs: nowMs })
  const place = waiters.findIndex((waiter) => waiter.name === name)
  if (place < capacity - holders.length) {
    const fence = gate.nextFence
    return {
      gate: {
        holders: [...holders, { name, untilMs: nowMs + ttlMs, fence }],
        waiters: waiters.filter((waiter) => waiter.name !== name),
        nextFence: fence + 1,
      },
      fence,
    }
  }
  return { gate: { ...gate, holders, waiters: waiters.map((waiter) => (waiter.name === name ? { name, seenMs: nowMs } : waiter)) } }
}

/** Gives a place or a turn back; nothing happens when there is none. */
export function leave(gate: Gate, name: string): Gate {
  const inside = gate.holders.some((holder) => holder.name === name)
  return {
    ...gate,
    holders: inside ? gate.holders.filter((holder) => holder.name !== name) : gate.holders,
    waiters: gate.waiters.filter((waiter) => waiter.name !== name),
  }
}
