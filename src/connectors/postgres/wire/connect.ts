import type { ByteSocket, Io } from '../../../core/connector.ts'
import { IngestError, type Place } from '../../../core/errors.ts'
import type { PostgresConfig } from '../config.ts'
import { sourcePlace, toIngestError } from '../faults.ts'
import type { Interrupt } from './interrupt.ts'
import { sslRequest } from './messages.ts'

/** The time for connecting counts from the first byte to the server's readiness. */
export async function withinConnectTime<T>(config: PostgresConfig, interrupt: Interrupt, connect: () => Promise<T>): Promise<T> {
  const deadline = setTimeout(() => {
    interrupt.fail(
      new IngestError({
        tag: 'unreachable',
        message: `No connection within ${config.connectTimeoutMs} ms`,
        place: sourcePlace(config),
        remedy: 'Check host and port, that the server runs, and that it accepts connections from here.',
      }),
    )
  }, config.connectTimeoutMs)
  try {
    return await connect()
  } finally {
    clearTimeout(deadline)
  }
}

export interface OpenSocket {
  socket: ByteSocket
  encrypted: boolean
  /** Why TLS was given up, under `prefer`. */
  tlsError?: string
}

/**
 * A socket to the server as `sslmode` wants it, before the start-up message. `interrupt` closes it when it fails.
 * `prefer` falls back to plain text, as libpq does; certificates are always verified, unlike libpq under `require`,
 * because Workers offer nothing else.
 */
export async function connectSocket(
  config: Pick<PostgresConfig, 'host' | 'port' | 'sslmode' | 'connectTimeoutMs'>,
  io: Io,
  interrupt: Interrupt,
): Promise<OpenSocket> {
  const place = sourcePlace(config)
  const open = (tls: 'off' | 'starttls') => openRaw(config, io, interrupt, tls, place)
  if (config.sslmode === 'disable') return { socket: await open('off'), encrypted: false }
  const plain = await open('starttls')
  const answer = await askForTls(plain, interrupt, place)
  if (answer === 'N') {
    if (config.sslmode === 'prefer') return { socket: plain, encrypted: false }
    plain.close()
    throw tlsFault(place, 'The server does not offer TLS', 'Turn on ssl in the server, or use sslmode=prefer or disable.')
  }
  try {
    if (answer !== 'S') throw new Error('The server answered the TLS request with an error')
    const secure = await interrupt.wait(plain.startTls(config.host))
    interrupt.onFail(() => secure.close())
    return { socket: secure, encrypted: true }
  } catch (error) {
    if (interrupt.failed) throw error
    plain.close()
    const reason = error instanceof Error ? error.message : String(error)
    if (config.sslmode !== 'prefer') {
      throw tlsFault(
        place,
        `TLS failed: ${reason}`,
        `sslmode=${config.sslmode} needs a certificate that a public authority signed for this host name: self-signed ones are refused. Install one, or use sslmode=prefer.`,
        error,
      )
    }
    return { socket: await open('off'), encrypted: false, tlsError: reason }
  }
}

async function openRaw(
  config: Pick<PostgresConfig, 'host' | 'port' | 'connectTimeoutMs'>,
  io: Io,
  interrupt: Interrupt,
  tls: 'off' | 'starttls',
  place: Place,
): Promise<ByteSocket> {
  const opening = io.connect(config.host, config.port, { tls, timeoutMs: config.connectTimeoutMs })
  try {
    const socket = await interrupt.wait(opening)
    interrupt.onFail(() => socket.close())
    return socket
  } catch (error) {
    // A socket that opens after nobody waits for it any more.
    opening.then((socket) => socket.close()).catch(() => {})
    throw toIngestError(error, place)
  }
}

async function askForTls(socket: ByteSocket, interrupt: Interrupt, place: Place): Promise<string> {
  try {
    await interrupt.wait(socket.write(sslRequest()))
    // One byte and no more: bytes behind it would be taken for TLS, or be an attacker's (CVE-2021-23222).
    const { done, value } = await interrupt.wait(socket.readAtLeast(1, new Uint8Array(1)))
    if (done) throw new Error('The server closed the connection')
    return String.fromCharCode(value[0] ?? 0)
  } catch (error) {
    socket.close()
    throw toIngestError(error, place)
  }
}

function tlsFault(place: Place, message: string, remedy: string, cause?: unknown): IngestError {
  return new IngestError({ tag: 'rejected', message, place, remedy, code: 'tls' }, { cause })
}
