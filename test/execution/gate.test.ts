import { describe, expect, it } from 'vitest'
import { EMPTY_GATE, enter, type Gate, leave } from '../../src/execution/gate.ts'

/** A gate with memory, for tests. */
function gateOf(capacity: number) {
  let gate: Gate = EMPTY_GATE
  return {
    ask(name: string, nowMs: number): number | undefined {
      const result = enter(gate, name, capacity, 1_000, nowMs)
      gate = result.gate
      return result.fence
    },
    leave(name: string) {
      gate = leave(gate, name)
    },
    inside: () => gate.holders.map((holder) => holder.name),
  }
}

describe('a gate', () => {
  it('lets in as many as fit and keeps the others waiting', () => {
    const gate = gateOf(2)
    expect([gate.ask('a', 0), gate.ask('b', 0), gate.ask('c', 0)]).toEqual([1, 2, undefined])
  })
  it('keeps the order of those who wait', () => {
    const gate = gateOf(1)
    gate.ask('a', 0)
    gate.ask('b', 1)
    gate.ask('c', 2)
    gate.leave('a')
    expect(gate.ask('c', 3)).toBeUndefined()
    expect(gate.ask('b', 4)).toBe(2)
  })
  it('gives the same place to a holder that asks again', () => {
    const gate = gateOf(1)
    expect([gate.ask('a', 0), gate.ask('a', 900), gate.ask('a', 1_800)]).toEqual([1, 1, 1])
  })
  it('takes the place of a holder that stopped asking, and numbers the next one higher', () => {
    const gate = gateOf(1)
    gate.ask('a', 0)
    expect(gate.ask('b', 500)).toBeUndefined()
    expect(gate.ask('b', 1_000)).toBe(2)
    expect(gate.inside()).toEqual(['b'])
  })
  it('does not wait for a waiter that went away', () => {
    const gate = gateOf(1)
    gate.ask('a', 0)
    gate.ask('gone', 1)
    gate.ask('b', 2)
    gate.leave('a')
    expect(gate.ask('b', 4_000)).toBeUndefined()
    expect(gate.ask('b', 6_000)).toBe(2)
  })
  it('never lets in more than fit, whatever the order of calls', () => {
    const gate = gateOf(3)
    for (let round = 0; round < 500; round++) {
      const name = `n${(round * 7919) % 13}`
      if (round % 3 === 0) gate.leave(name)
      else gate.ask(name, round)
      expect(gate.inside().length).toBeLessThanOrEqual(3)
    }
  })
})
