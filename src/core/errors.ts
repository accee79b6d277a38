export type Side = 'source' | 'destination'

/** Where a failure happened. Every part is safe to show: never a credential, never row data beyond one value's beginning. */
export interface Place {
  side?: Side
  /** Connector kind. */
  system?: string
  /** `host:port`, bucket or URL without credentials. */
  address?: string
  resource?: string
  column?: string
  record?: number
}

/** The parts every failure of a remote system has: what happened, where, and what to do about it. */
export interface Told {
  message: string
  place: Place
  remedy: string
  /** The remote's own code: SQLSTATE, ClickHouse code, HTTP status. */
  code?: string
}

/** A failure as data: plain JSON, so it survives queues, object storage and D1. */
export type Fault =
  | { tag: 'invalid-request'; issues: { path: string; message: string }[] }
  | { tag: 'unauthenticated'; reason: 'missing' | 'invalid' | 'expired' | 'unknown-client' | 'bad-timestamp' | 'bad-signature' }
  | { tag: 'forbidden'; action: string }
  | { tag: 'not-found'; what: 'route' | 'connection' | 'pipeline' | 'execution'; id: string }
  | { tag: 'method-not-allowed'; allowed: string[] }
  | { tag: 'conflict'; reason: string }
  | { tag: 'too-large'; limitBytes: number }
  | { tag: 'overloaded'; retryAfterSeconds: number }
  /** No answer, connection refused or lost, name unknown, server starting or shutting down. Worth another try. */
  | ({ tag: 'unreachable' } & Told)
  /** Credentials or rights. */
  | ({ tag: 'denied' } & Told)
  /** A database, table, column, bucket or object that is not there. */
  | ({ tag: 'missing' } & Told)
  /** A format, type, option or feature that this build or that system does not have. */
  | ({ tag: 'unsupported' } & Told)
  /** A value or record that cannot be read or stored. */
  | ({ tag: 'bad-data' } & Told)
  /** The load does not fit the table that is there. */
  | ({ tag: 'schema-conflict' } & Told)
  /** Too many connections or requests; honours the delay the remote asked for. */
  | ({ tag: 'throttled'; retryAfterSeconds?: number } & Told)
  /** Memory, disk or time of the remote ran out on this much work; less may fit. */
  | ({ tag: 'exhausted' } & Told)
  /** The view that all chunks shared is gone; chunks without a receipt need a new one. */
  | ({ tag: 'snapshot-lost' } & Told)
  /** A cut between two chunks turned out to lie inside a record; the stream must be read in one piece. */
  | ({ tag: 'misplaced-cut' } & Told)
  /** Rows or checksums differ between the ends. Never reported as success. */
  | ({ tag: 'mismatch' } & Told)
  /** Somebody else changed the destination while the load was being published. */
  | ({ tag: 'foreign-write' } & Told)
  /** Any other refusal of a remote system. */
  | ({ tag: 'rejected' } & Told)
  | { tag: 'cancelled' }
  | { tag: 'internal'; message?: string }

export type FaultTag = Fault['tag']

/** The only error class of the project. `cause` keeps the original for logs, never for the wire. */
export class IngestError extends Error {
  override readonly name = 'IngestError'
  readonly fault: Fault
  constructor(fault: Fault, options?: ErrorOptions) {
    super('message' in fault && fault.message ? `${fault.tag}: ${fault.message}` : fault.tag, options)
    this.fault = fault
  }
}

/** The fault of whatever was thrown: anything that is not an IngestError is `internal`. */
export function faultOf(error: unknown): Fault {
  return error instanceof IngestError
    ? error.fault
    : { tag: 'internal', message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }
}

/** Sentences for people: cause, place, remedy. Used by logs, receipts and dialects that have a single message field. */
export function explain(fault: Fault): string {
  switch (fault.tag) {
    case 'invalid-request':
      return fault.issues.map((issue) => (issue.path ? `${issue.path}: ${issue.message}` : issue.message)).join('; ')
    case 'unauthenticated':
      return 'The request carries no valid credential.'
    case 'forbidden':
      return `This credential may not ${fault.action}.`
    case 'not-found':
      return `There is no ${fault.what} "${fault.id}".`
    case 'method-not-allowed':
      return `Only ${fault.allowed.join(', ')} can be used here.`
    case 'conflict':
      return fault.reason
    case 'too-large':
      return `The request is larger than ${fault.limitBytes} bytes.`
    case 'overloaded':
      return `Too much is under way; try again in ${fault.retryAfterSeconds} s.`
    case 'cancelled':
      return 'The execution was cancelled.'
    case 'internal':
      return 'An internal server error occurred'
    default:
      return [`${fault.message.replace(/[.\s]+$/, '')}${describePlace(fault.place)}.`, fault.remedy].filter(Boolean).join(' ')
  }
}

function describePlace(place: Place): string {
  const parts: string[] = []
  if (place.system || place.side) parts.push([place.side, place.system].filter(Boolean).join(' '))
  if (place.address) parts.push(place.address)
  if (place.resource) parts.push(`"${place.resource}"`)
  if (place.column) parts.push(`column "${place.column}"`)
  if (place.record !== undefined) parts.push(`record ${place.record}`)
  return parts.length ? ` (${parts.join(', ')})` : ''
}
