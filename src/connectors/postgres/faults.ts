import { type Fault, IngestError, type Place } from '../../core/errors.ts'
import { REMOTE_MESSAGE_MAX_CHARS } from '../../limits.ts'
import { hostPort, type PostgresConfig } from './config.ts'

/** What an ErrorResponse of the server says, whichever client read it. */
export interface ServerError {
  /** SQLSTATE. */
  code: string
  message: string
}

export function sourcePlace(config: Pick<PostgresConfig, 'host' | 'port'>, resource?: string): Place {
  return { side: 'source', system: 'postgres', address: hostPort(config), ...(resource === undefined ? {} : { resource }) }
}

export function invalidRequest(path: string, message: string): IngestError {
  return new IngestError({ tag: 'invalid-request', issues: [{ path, message }] })
}

/** The IngestError for anything thrown while talking to the server: by SQLSTATE, then by socket error code. */
export function toIngestError(error: unknown, place: Place): IngestError {
  if (error instanceof IngestError) return withPlace(error, place)
  const server = serverErrorOf(error)
  if (server) return new IngestError(fromSqlState(server, place), { cause: error })
  // A mistake of ours is no trouble of the network, and does not get better by waiting for it. (Workers report lost
  // connections as plain errors, and some sockets as TypeError.)
  if (error instanceof ReferenceError || error instanceof RangeError || error instanceof SyntaxError) {
    return new IngestError({ tag: 'internal', message: `${error.name}: ${error.message}` }, { cause: error })
  }
  return new IngestError(fromSocket(error, place), { cause: error })
}

/** Errors of `Io` know the address only. */
function withPlace(error: IngestError, place: Place): IngestError {
  const { fault } = error
  if (!('place' in fault) || fault.place.side) return error
  return new IngestError({ ...fault, place: { ...place, ...fault.place, address: place.address } }, { cause: error.cause ?? error })
}

export function serverErrorOf(error: unknown): ServerError | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error) || !('message' in error)) return undefined
  const { code, message } = error
  // Five characters, never only letters: EPIPE and its like are socket errors.
  if (typeof code !== 'string' || !/^(?=.*\d)[0-9A-Z]{5}$/.test(code)) return undefined
  return { code, message: String(message) }
}

/** Marks a value that `arrays` cannot carry: see `ARRAY_GUARD` in types.ts. */
const DIMENSIONS = /multidimensional array in column (.*)"/s

export function fromSqlState({ code, message }: ServerError, place: Place): Fault {
  const told = (remedy: string) => ({ message: message.slice(0, REMOTE_MESSAGE_MAX_CHARS), place, remedy, code })
  switch (code) {
    case '28000':
    case '28P01':
      return { tag: 'denied', ...told('Check user and password, and that pg_hba.conf lets this user in from here with this sslmode.') }
    case '42501':
      return { tag: 'denied', ...told('GRANT SELECT on it (and USAGE on its schema) to this user, or exclude what it may not read.') }
    case '3D000':
      return { tag: 'missing', ...told('Check the database name in the connection.') }
    case '3F000':
    case '42P01':
      return {
        tag: 'missing',
        ...told('Check the name; it may have been dropped or renamed. A name outside the search_path needs its schema.'),
      }
    case '42703':
      return { tag: 'missing', ...told('A column was dropped or renamed while the load ran; start it again.') }
    case '53300':
      return { tag: 'throttled', ...told('Raise max_connections or the connection limit of the role, or run fewer loads at once.') }
    case '55P03':
      return { tag: 'throttled', ...told('Another session holds a lock on the table (ALTER, TRUNCATE, VACUUM FULL); it is tried again.') }
    case '57014':
      return {
        tag: 'exhausted',
        ...told('The server cancelled the statement. If it was a time limit, raise it for this role or read less at once.'),
      }
    case '25P03':
    case '25P04':
    case '57P05':
      return { tag: 'unreachable', ...told('The server ended an idle session; raise its idle timeouts for this role.') }
    case '53000':
    case '53100':
    case '53200':
    case '53400':
    case '54000':
    case '54001':
      return { tag: 'exhausted', ...told('The server ran out of disk, memory or a limit of its own on this query.') }
    case '40001':
    case '40P01':
      return {
        tag: 'exhausted',
        ...told('The query was in conflict with others (on a standby: with recovery); smaller chunks or the primary avoid it.'),
      }
    case '57P01':
    case '57P02':
    case '57P03':
    case '57P04':
      return { tag: 'unreachable', ...told('The server is starting, stopping, or ended this session; it is tried again.') }
    case '0A000':
      return { tag: 'unsupported', ...told('The server does not support this on that table.') }
    case '22P02': {
      const column = DIMENSIONS.exec(message)?.[1]
      if (column !== undefined) {
        return {
          tag: 'bad-data',
          message: 'An array with more than one dimension in a column declared with one',
          place: { ...place, column },
          remedy: 'Declare the column with its dimensions (int[][]), or read a view that turns it into text or JSON, or exclude it.',
          code,
        }
      }
      break
    }
  }
  const sqlClass = code.slice(0, 2)
  if (sqlClass === '08') return { tag: 'unreachable', ...told('The connection to the server failed; it is tried again.') }
  if (sqlClass === '53') return { tag: 'exhausted', ...told('The server ran out of a resource.') }
  if (sqlClass === '22' || code === 'XX001')
    return { tag: 'bad-data', ...told('A value cannot be read as its column says; correct it or exclude the column.') }
  return { tag: 'rejected', ...told('The message is the server’s own; its log may tell more.') }
}

function fromSocket(error: unknown, place: Place): Fault {
  const message = error instanceof Error ? error.message : String(error)
  const code = typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const scram = /SASL|SCRAM/.test(message)
  if (scram)
    return {
      tag: 'denied',
      message: message.slice(0, REMOTE_MESSAGE_MAX_CHARS),
      place,
      remedy: 'Check the password of the connection.',
      code,
    }
  return {
    tag: 'unreachable',
    message: (message || code || 'No connection').slice(0, REMOTE_MESSAGE_MAX_CHARS),
    place,
    remedy: 'Check host and port, that the server runs, and that it accepts connections from here.',
    code,
  }
}

export function snapshotLost(place: Place, message: string, cause?: unknown): IngestError {
  return new IngestError(
    {
      tag: 'snapshot-lost',
      message,
      place,
      remedy: 'A new snapshot is taken and the chunks without a receipt are read again.',
      code: serverErrorOf(cause)?.code,
    },
    { cause },
  )
}

/** SQLSTATEs of SET TRANSACTION SNAPSHOT when the exporting transaction is gone or never was. */
export function isSnapshotError(error: unknown): boolean {
  const code = serverErrorOf(error)?.code
  return code === '22023' || code === '55000' || code === '42704' || code === '0A000'
}
