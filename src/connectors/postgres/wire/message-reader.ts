import type { ByteSocket } from '../../../core/connector.ts'
import { concat } from './messages.ts'
import { parseError } from './replies.ts'

const READ_BYTES = 16 * 1024
/** Nothing before a COPY is longer; a peer that says otherwise does not speak this protocol. */
const MESSAGE_MAX_BYTES = 4 * 1024 * 1024

export interface Message {
  type: string
  body: Uint8Array
}

/** Reads whole messages: start-up and small results. Not for COPY data. */
export class MessageReader {
  private readonly socket: ByteSocket
  private rest = new Uint8Array(0)
  private buffer = new Uint8Array(READ_BYTES)

  constructor(socket: ByteSocket) {
    this.socket = socket
  }

  /** Throws the server's error when the next message is one; skips notices, parameters and notifications. */
  async next(): Promise<Message> {
    for (;;) {
      const message = await this.any()
      if (message.type === 'E') throw parseError(message.body)
      if (message.type !== 'N' && message.type !== 'S' && message.type !== 'A') return message
    }
  }

  private async any(): Promise<Message> {
    await this.fill(5)
    const length = new DataView(this.rest.buffer, this.rest.byteOffset).getUint32(1)
    if (length < 4 || length > MESSAGE_MAX_BYTES) throw new Error('The peer does not speak the Postgres protocol')
    await this.fill(1 + length)
    const type = String.fromCharCode(this.rest[0] ?? 0)
    const body = this.rest.subarray(5, 1 + length)
    this.rest = this.rest.subarray(1 + length)
    return { type, body }
  }

  private async fill(bytes: number): Promise<void> {
    while (this.rest.length < bytes) {
      const { done, value } = await this.socket.readAtLeast(1, this.buffer)
      if (done) throw new Error('The server closed the connection')
      this.rest = concat([this.rest, value]) as Uint8Array<ArrayBuffer>
      this.buffer = new Uint8Array(value.buffer as ArrayBuffer)
    }
  }

  /** What arrived behind the last message. */
  takeRest(): Uint8Array {
    const { rest } = this
    this.rest = new Uint8Array(0)
    return rest
  }
}
