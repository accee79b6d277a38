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
    expect(judge(fault, 'copy', 5, 0.5)).toEqual({ do: 'fail' })
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
