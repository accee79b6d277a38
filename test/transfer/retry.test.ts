import { describe, expect, it } from 'vitest'
import type { Fault } from '../../src/core/errors.ts'
import { judge } from '../../src/transfer/retry.ts'

const told = { message: 'm', place: {}, remedy: 'r' }

describe('what is done about a fault', () => {
  it('waits longer every time, with jitter, and gives up in the end', () => {
    const fault: Fault = { tag: 'unreachable', ...told }
    expect(judge(fault, 'copy', 1, 0.5)).toEqual({ do: 'retry', afterMs: 500, rule: 'retry' })
    expect(judge(fault, 'copy', 3, 0.5)).toEqual({ do: 'retry', afterMs: 2_000, rule: 'retry' })
    expect(judge(fault, 'copy', 3, 0)).toEqual({ do: 'retry', afterMs: 1_500, rule: 'retry' })
    expect(judge(fault, 'copy', 8, 0.5)).toEqual({ do: 'fail' })
  })
  it('outlasts an end that is gone for half a minute once a load is under way, whatever the jitter', () => {
    for (const kind of ['prepare', 'window', 'copy', 'commit', 'abort'] as const) {
      let waitedMs = 0
      for (let attempt = 1; ; attempt++) {
        const verdict = judge({ tag: 'unreachable', ...told }, kind, attempt, 0)
        if (verdict.do !== 'retry') break
        waitedMs += verdict.afterMs
      }
      expect(waitedMs).toBeGreaterThan(30_000)
    }
  })
  it('gives up early on a host that was never reached, and late in the middle of a commit', () => {
    const fault: Fault = { tag: 'unreachable', ...told }
    expect(judge(fault, 'plan', 3, 0)).toEqual({ do: 'fail' })
    expect(judge(fault, 'commit', 7, 0)).toMatchObject({ do: 'retry' })
  })
  it('honours the delay a throttling system asked for, and asks for less at once', () => {
    expect(judge({ tag: 'throttled', retryAfterSeconds: 7, ...told }, 'copy', 1, 0.5)).toEqual({
      do: 'retry',
      afterMs: 7_000,
      rule: 'lower-parallelism',
    })
  })
  it('takes a new snapshot at once', () => {
    expect(judge({ tag: 'snapshot-lost', ...told }, 'copy', 1, 0.5)).toEqual({ do: 'retry', afterMs: 0, rule: 'new-snapshot' })
  })
  it('reads a stream in one piece when a piece cut on a guess makes no sense, and believes the fault when nothing was guessed', () => {
    expect(judge({ tag: 'bad-data', ...told }, 'copy', 1, 0.5, true)).toEqual({ do: 'replan-whole' })
    expect(judge({ tag: 'bad-data', ...told }, 'plan', 1, 0.5, true)).toEqual({ do: 'fail' })
    expect(judge({ tag: 'bad-data', ...told }, 'copy', 1, 0.5, false)).toEqual({ do: 'fail' })
  })
  it('never repeats what cannot get better', () => {
    for (const tag of [
      'denied',
      'missing',
      'bad-data',
      'schema-conflict',
      'mismatch',
      'foreign-write',
      'rejected',
      'unsupported',
    ] as const) {
      expect(judge({ tag, ...told }, 'copy', 1, 0.5)).toEqual({ do: 'fail' })
    }
    expect(judge({ tag: 'cancelled' }, 'copy', 1, 0.5)).toEqual({ do: 'fail' })
  })
})
