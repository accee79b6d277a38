import { explain, type Fault } from '../../core/errors.ts'
import { redact } from '../../core/redact.ts'
import type { ApiSettings, WireError } from '../dialect.ts'
import { errorsOf } from './validation.ts'

/**
 * A fault in this API's three envelopes: `errors` for a request that is not valid, `detail` for one that was not let in
 * or not found, `status` and `message` for work that failed.
 */
export function toWire(fault: Fault, settings: ApiSettings): WireError {
  const status = statusOf(fault, settings)
  switch (fault.tag) {
    case 'invalid-request':
      return { status, body: { errors: redactAll(errorsOf(fault)) } }
    case 'unauthenticated':
      return { status, body: { detail: unauthenticated(fault.reason, signs(settings)) }, headers: challenge(status) }
    case 'not-found':
      return { status, body: { detail: notFound(fault) } }
    case 'method-not-allowed':
      return { status, body: { detail: 'Method Not Allowed' }, headers: { allow: fault.allowed.join(', ') } }
    case 'forbidden':
    case 'too-large':
      return { status, body: { detail: explain(fault) } }
    case 'overloaded':
      return { status, body: { detail: explain(fault) }, headers: { 'retry-after': String(Math.ceil(fault.retryAfterSeconds)) } }
    case 'throttled':
      return { status, body: failed(fault), headers: { 'retry-after': String(Math.ceil(fault.retryAfterSeconds ?? 5)) } }
    case 'conflict':
    case 'unreachable':
    case 'denied':
    case 'missing':
    case 'unsupported':
    case 'bad-data':
    case 'schema-conflict':
    case 'exhausted':
    case 'snapshot-lost':
    case 'misplaced-cut':
    case 'mismatch':
    case 'foreign-write':
    case 'rejected':
    case 'cancelled':
    case 'internal':
      return { status, body: failed(fault) }
  }
}

/** Also the status of a finished request whose load failed. */
export function statusOf(fault: Fault, settings: ApiSettings): number {
  switch (fault.tag) {
    case 'unauthenticated':
      return fault.reason === 'missing' && signs(settings) ? 400 : 401
    case 'forbidden':
      return 403
    case 'not-found':
      return 404
    case 'method-not-allowed':
      return 405
    case 'too-large':
      return 413
    case 'invalid-request':
    case 'denied':
    case 'missing':
    case 'unsupported':
    case 'bad-data':
    case 'schema-conflict':
      return 422
    case 'overloaded':
      return 429
    case 'conflict':
    case 'foreign-write':
    case 'cancelled':
      return 409
    case 'unreachable':
    case 'snapshot-lost':
    case 'rejected':
      return 502
    case 'throttled':
      return 503
    case 'exhausted':
      return 504
    case 'mismatch':
    case 'misplaced-cut':
    case 'internal':
      return 500
  }
}

/** For people: cause, place and remedy; never a secret. */
export function messageOf(fault: Fault): string {
  return redact(explain(fault))
}

/** For programs: the same, in parts. */
export function faultView(fault: Fault) {
  const told = 'place' in fault ? fault : undefined
  return {
    tag: fault.tag,
    message: messageOf(fault),
    remedy: told ? redact(told.remedy) : null,
    code: told?.code ?? null,
    place: told ? { ...told.place, ...(told.place.address ? { address: redact(told.place.address) } : {}) } : null,
  }
}

function failed(fault: Fault) {
  return { status: 'error', message: messageOf(fault) }
}

function redactAll(errors: Record<string, string[]>): Record<string, string[]> {
  return Object.fromEntries(Object.entries(errors).map(([key, messages]) => [key, messages.map(redact)]))
}

/** Clients that sign are told what they left out in the words they know. */
function signs(settings: ApiSettings): boolean {
  return settings.auth.hmacRequired || settings.auth.hmacClients.length > 0
}

function challenge(status: number): Record<string, string> {
  return status === 401 ? { 'www-authenticate': 'Bearer' } : {}
}

function unauthenticated(reason: Extract<Fault, { tag: 'unauthenticated' }>['reason'], signing: boolean): string {
  switch (reason) {
    case 'missing':
      return signing ? 'Missing authentication headers' : 'Not authenticated'
    case 'invalid':
      return 'Invalid credentials'
    case 'unknown-client':
      return 'Unknown client ID'
    case 'expired':
      return 'Timestamp expired or invalid'
    case 'bad-timestamp':
      return 'Invalid timestamp format'
    case 'bad-signature':
      return 'Signature mismatch'
  }
}

function notFound({ what, id }: Extract<Fault, { tag: 'not-found' }>): string {
  switch (what) {
    case 'pipeline':
      return `Pipeline '${id}' not found`
    case 'execution':
      return `Execution '${id}' not found`
    case 'connection':
      return `Connection '${id}' not found`
    case 'route':
      return 'Not Found'
  }
}
