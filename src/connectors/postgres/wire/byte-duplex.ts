import { Duplex } from 'node:stream'
import type { ByteSocket } from '../../../core/connector.ts'

const READ_BYTES = 16 * 1024

/**
 * A `ByteSocket` that is connected already, as the Node stream that the pg library wants: so its connections obey the
 * same address rules, TLS settings and clock as all others.
 */
export class ByteDuplex extends Duplex {
  private readonly socket: ByteSocket
  private reading = false
  private buffer = new Uint8Array(READ_BYTES)

  constructor(socket: ByteSocket) {
    super()
    this.socket = socket
  }

  /** Called by pg, which then waits for the event. */
  connect(): this {
    queueMicrotask(() => this.emit('connect'))
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  override _read(): void {
    if (this.reading) return
    this.reading = true
    this.socket.readAtLeast(1, this.buffer).then(
      ({ done, value }) => {
        this.reading = false
        if (done) {
          this.push(null)
          this.destroy()
          return
        }
        const copy = Buffer.from(value)
        this.buffer = new Uint8Array(value.buffer as ArrayBuffer)
        this.push(copy)
      },
      (error) => this.destroy(error instanceof Error ? error : new Error(String(error))),
    )
  }

  override _write(chunk: Uint8Array, _encoding: string, callback: (error?: Error | null) => void): void {
    this.socket.write(chunk).then(
      () => callback(),
      (error) => callback(error instanceof Error ? error : new Error(String(error))),
    )
  }

  override _final(callback: (error?: Error | null) => void): void {
    callback()
    this.destroy()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.socket.close()
    callback(error)
  }
}
