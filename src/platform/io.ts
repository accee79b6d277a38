import { connect } from 'cloudflare:sockets'
import type { ByteSocket, ConnectOptions, Io } from '../core/connector.ts'
import { IngestError } from '../core/errors.ts'
import { assertAllowedHost, type PrivateAddresses } from './address.ts'
import { log } from './log.ts'

const REDIRECTS_MAX = 5

/** What connectors may touch, on Workers. Every address goes through the same guard, redirects included. */
export function workerIo(privateAddresses: PrivateAddresses, signal: AbortSignal, idleTimeoutMs?: number): Io {
  const guard = (host: string) => assertAllowedHost(host, privateAddresses)
  return {
    signal,
    ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
    assertAllowed: guard,
    nowMs: () => Date.now(),
    log,
    pipe: () => new IdentityTransformStream(),
    async fetch(input, init) {
      let url = new URL(input instanceof Request ? input.url : input)
      for (let hop = 0; ; hop++) {
        guard(url.hostname)
        const response = await fetch(hop === 0 ? input : url, { ...init, redirect: 'manual' })
        const location = response.headers.get('location')
        const repeatable = ['GET', 'HEAD'].includes((init?.method ?? (input instanceof Request ? input.method : 'GET')).toUpperCase())
        if (response.status < 300 || response.status > 399 || !location || !repeatable) return response
        await response.body?.cancel()
        if (hop === REDIRECTS_MAX) {
          throw new IngestError({
            tag: 'rejected',
            message: 'Too many redirects',
            place: { address: url.host },
            remedy: 'Give the final address.',
          })
        }
        const next = new URL(location, url)
        // Credentials meant for one host must not follow a redirect to another.
        if (next.host !== url.host && init?.headers) init = { ...init, headers: withoutCredentials(init.headers) }
        url = next
      }
    },
    async connect(host, port, options) {
      guard(host)
      return await openSocket(host, port, options)
    },
  }
}

function withoutCredentials(headers: HeadersInit): Headers {
  const kept = new Headers(headers)
  for (const name of ['authorization', 'cookie', 'x-clickhouse-user', 'x-clickhouse-key', 'x-amz-security-token']) kept.delete(name)
  return kept
}

async function openSocket(host: string, port: number, { tls, timeoutMs }: ConnectOptions): Promise<ByteSocket> {
  const socket = connect({ hostname: host, port }, { secureTransport: tls, allowHalfOpen: false })
  // Settles with an error when the peer goes away; whoever reads or writes hears of it there.
  socket.closed.catch(() => {})
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    await Promise.race([
      socket.opened,
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
      }),
    ])
  } catch (cause) {
    closeQuietly(socket)
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new IngestError(
      {
        tag: 'unreachable',
        message: `No connection: ${reason}`,
        place: { address: `${host}:${port}` },
        remedy: 'Check host and port, that the server runs, and that it accepts connections from here.',
      },
      { cause },
    )
  } finally {
    clearTimeout(timer)
  }
  return wrap(socket)
}

function wrap(socket: Socket): ByteSocket {
  const reader = socket.readable.getReader({ mode: 'byob' })
  const writer = socket.writable.getWriter()
  writer.closed.catch(() => {})
  return {
    async readAtLeast(minBytes, buffer) {
      const { done, value } = await reader.readAtLeast(minBytes, buffer)
      const bytes: Uint8Array = value ?? new Uint8Array(0)
      return { done: done && bytes.byteLength === 0, value: bytes }
    },
    write: (bytes) => writer.write(bytes),
    async startTls(serverName) {
      reader.releaseLock()
      writer.releaseLock()
      const secure = socket.startTls({ expectedServerHostname: serverName })
      secure.closed.catch(() => {})
      await secure.opened
      return wrap(secure)
    },
    close() {
      closeQuietly(socket)
    },
  }
}

function closeQuietly(socket: Socket): void {
  try {
    socket.close().catch(() => {})
  } catch {
    // A socket that is gone already is what we want.
  }
}
