import type { Fault } from '../core/errors.ts'
import type { HealingAction } from '../core/execution.ts'
import { ATTEMPTS_PER_STEP, RETRY_BASE_MS, RETRY_MAX_MS } from '../limits.ts'

export type StepKind = 'plan' | 'prepare' | 'window' | 'copy' | 'commit' | 'abort'

/** What to do about a fault. `fail` ends the resource (a commit that failed for good leaves the destination as it was). */
export type Verdict =
  | { do: 'fail' }
  | { do: 'retry'; afterMs: number; rule: HealingAction['rule'] }
  /** Throw the chunks of the resource away and plan it again in one piece. */
  | { do: 'replan-whole' }

/** Attempts that end early: a user who named a host that is not there should hear of it at once. */
const ATTEMPTS: Record<StepKind, number> = {
  plan: 3,
  prepare: ATTEMPTS_PER_STEP,
  window: ATTEMPTS_PER_STEP,
  copy: ATTEMPTS_PER_STEP,
  commit: ATTEMPTS_PER_STEP,
  abort: ATTEMPTS_PER_STEP,
}

/**
 * The only reader of retryability.
 * @param attempt how often this step has failed, this time included: 1 for the first
 * @param random 0..1, for jitter
 * @param cutsAreGuessed the stream was cut where records seem to end: a piece that makes no sense may only be cut wrong
 */
export function judge(fault: Fault, kind: StepKind, attempt: number, random: number, cutsAreGuessed = false): Verdict {
  const backOff = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** (attempt - 1))
  const afterMs = Math.round(backOff * (0.75 + random / 2))
  const left = attempt < ATTEMPTS[kind]
  switch (fault.tag) {
    case 'unreachable':
      return left ? { do: 'retry', afterMs, rule: 'retry' } : { do: 'fail' }
    case 'throttled':
      return left ? { do: 'retry', afterMs: (fault.retryAfterSeconds ?? 0) * 1000 || afterMs, rule: 'lower-parallelism' } : { do: 'fail' }
    case 'exhausted':
      return attempt < 3 ? { do: 'retry', afterMs, rule: 'lower-parallelism' } : { do: 'fail' }
    case 'snapshot-lost':
      return attempt < 20 ? { do: 'retry', afterMs: attempt === 1 ? 0 : afterMs, rule: 'new-snapshot' } : { do: 'fail' }
    case 'misplaced-cut':
      return { do: 'replan-whole' }
    case 'bad-data':
      return cutsAreGuessed && kind === 'copy' ? { do: 'replan-whole' } : { do: 'fail' }
    // Nobody knows what it was; it may have been a passing trouble of the platform.
    case 'internal':
      return attempt < 3 ? { do: 'retry', afterMs, rule: 'retry' } : { do: 'fail' }
    case 'overloaded':
      return left ? { do: 'retry', afterMs: fault.retryAfterSeconds * 1000, rule: 'retry' } : { do: 'fail' }
    case 'invalid-request':
    case 'unauthenticated':
    case 'forbidden':
    case 'not-found':
    case 'method-not-allowed':
    case 'conflict':
    case 'too-large':
    case 'denied':
    case 'missing':
    case 'unsupported':
    case 'schema-conflict':
    case 'mismatch':
    case 'foreign-write':
    case 'rejected':
    case 'cancelled':
      return { do: 'fail' }
  }
}
