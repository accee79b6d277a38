import { once } from 'node:events'
import { type Socket, connect as tcpConnect } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import type { Json } from '../../src/core/chunk.ts'
import type { ByteSocket, Io } from '../../src/core/connector.ts'
import { IngestError } from '../../src/core/errors.ts'

export interface NodeIo extends Io {
  readonly events: { event: string; fields?: Record<string, Json> }[]
  abort(): void
}

/** The ports of a connector on plain Node, for unit tests against real servers: any loopback address is allowed. */
export function nodeIo(options: { ca?: string } = {}): NodeIo {
  const controller = new AbortController()
  const events: NodeIo['events'] = []
  return {
    events,
    abort: () => controller.abort(),
    signal: controller.signal,
    fetch: (input, init) => fetch(input, init && 'body' in init ? ({ duplex: 'half', ...init } as RequestInit) : init),
    async connect(host, port, { tls, timeoutMs }) {
      const socket = tls === 'on' ? tlsConnect({ host, port, servername: host, ca: options.ca }) : tcpConnect({ host, port })
      await ready(socket, tls === 'on' ? 'secureConnect' : 'connect', host, port, timeoutMs)
      return new NodeSocket(socket, options.ca)
    },
    assertAllowed: () => {},
    // Copies, as the platform's pipe does: a writer may use its memory again.
    pipe: () =>
      new TransformStream<Uint8Array, Uint8Array>(
        { transform: (bytes, controller) => controller.enqueue(bytes.slice()) },
        { highWaterMark: 1 },
        { highWaterMark: 0 },
      ),
    nowMs: () => Date.now(),
    log: (event, fields) => void events.push({ event, fields }),
  }
}

async function ready(socket: Socket, event: string, host: string, port: number, timeoutMs: number): Promise<void> {
  try {
    await once(socket, event, { signal: AbortSignal.timeout(timeoutMs) })
  } catch (cause) {
    socket.destroy()
    throw new IngestError(
      {
        tag: 'unreachable',
        message: 'No connection',
        place: { address: `${host}:${port}` },
        remedy: 'Check that the server runs and can be reached.',
      },
      { cause },
    )
  }
}

class NodeSocket implements ByteSocket {
  private socket: Socket
  private readonly ca: string | undefined
  private chunks: Buffer[] = []
  private buffered = 0
  private ended = false
  private failure: Error | undefined
  private wake: (() => void) | undefined

  constructor(socket: Socket, ca: string | undefined) {
    this.socket = socket
    this.ca = ca
    this.listen()
  }

  private listen(): void {
    const notify = () => this.wake?.()
    this.socket.on('data', (data: Buffer) => {
      this.chunks.push(data)
      this.buffered += data.length
      if (this.buffered > 1 << 20) this.socket.pause()
      notify()
    })
    this.socket.on('end', () => {
      this.ended = true
      notify()
    })
    this.socket.on('close', () => {
      this.ended = true
      notify()
    })
    this.socket.on('error', (error) => {
      this.failure = error
      notify()
    })
  }

  async readAtLeast(minBytes: number, buffer: Uint8Array): Promise<{ done: boolean; value: Uint8Array }> {
    // Read before the transfer, which empties the view.
    const { byteOffset, byteLength } = buffer
    const own = new Uint8Array(structuredClone(buffer.buffer, { transfer: [buffer.buffer as ArrayBuffer] }), byteOffset, byteLength)
    while (this.buffered < minBytes && !this.ended && !this.failure) await new Promise<void>((resolve) => (this.wake = resolve))
    if (this.buffered === 0 && this.failure) throw this.failure
    let filled = 0
    while (filled < own.length && this.chunks.length > 0) {
      const first = this.chunks[0] as Buffer
      const take = Math.min(first.length, own.length - filled)
      own.set(first.subarray(0, take), filled)
      filled += take
      if (take === first.length) this.chunks.shift()
      else this.chunks[0] = first.subarray(take)
    }
    this.buffered -= filled
    if (this.socket.isPaused()) this.socket.resume()
    return { done: filled === 0 && this.ended, value: own.subarray(0, filled) }
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.failure) throw this.failure
    if (!this.socket.write(bytes)) await once(this.socket, 'drain')
  }

  async startTls(serverName: string): Promise<ByteSocket> {
    this.socket.removeAllListeners()
    const secure = tlsConnect({ socket: this.socket, servername: serverName, ca: this.ca })
    await once(secure, 'secureConnect')
    return new NodeSocket(secure, this.ca)
  }

  close(): void {
    this.socket.destroy()
  }
}
