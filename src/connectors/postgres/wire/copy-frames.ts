/** Enough for any error or tag; the rest of a longer message is dropped. */
const MESSAGE_KEEP_BYTES = 64 * 1024
const COPY_DATA = 0x64
/** Up to here a loop is faster than a call of copyWithin. */
const SHORT_ROW_BYTES = 32

/**
 * Takes the 5-byte headers out of a COPY stream, in place: what `strip` leaves at the beginning of the buffer is table
 * data. Headers and messages may be cut anywhere; a row may be larger than any buffer.
 */
export class CopyFrames {
  private readonly header = new Uint8Array(5)
  private headerFilled = 0
  /** Bytes of the current message that have not come yet. */
  private left = 0
  private other: { type: string; body: Uint8Array; filled: number } | undefined
  private readonly onMessage: (type: string, body: Uint8Array) => void

  /** `onMessage` gets every message that is not data, whole. */
  constructor(onMessage: (type: string, body: Uint8Array) => void) {
    this.onMessage = onMessage
  }

  /** Returns how many bytes of data now stand at the beginning of `bytes`. Throws on what no server would send. */
  strip(bytes: Uint8Array): number {
    const end = bytes.length
    let read = 0
    let write = 0
    while (read < end) {
      if (this.left > 0) {
        const take = Math.min(this.left, end - read)
        if (this.other) {
          this.keep(bytes.subarray(read, read + take))
          read += take
        } else {
          if (take > SHORT_ROW_BYTES) {
            if (read !== write) bytes.copyWithin(write, read, read + take)
            write += take
            read += take
          } else {
            for (const until = read + take; read < until; ) bytes[write++] = bytes[read++] as number
          }
        }
        this.left -= take
        if (this.left === 0) this.finish()
      } else if (this.headerFilled === 0 && end - read >= 5) {
        this.start(bytes[read] as number, length(bytes, read))
        read += 5
      } else {
        this.header[this.headerFilled++] = bytes[read++] as number
        if (this.headerFilled === 5) {
          this.headerFilled = 0
          this.start(this.header[0] as number, length(this.header, 0))
        }
      }
    }
    return write
  }

  private start(type: number, size: number): void {
    if (size < 4) throw new Error('The peer does not speak the Postgres protocol')
    this.left = size - 4
    if (type === COPY_DATA) return
    this.other = { type: String.fromCharCode(type), body: new Uint8Array(Math.min(this.left, MESSAGE_KEEP_BYTES)), filled: 0 }
    if (this.left === 0) this.finish()
  }

  private keep(part: Uint8Array): void {
    if (!this.other) return
    const room = this.other.body.length - this.other.filled
    if (room <= 0) return
    this.other.body.set(part.subarray(0, room), this.other.filled)
    this.other.filled += Math.min(room, part.length)
  }

  private finish(): void {
    const message = this.other
    if (!message) return
    this.other = undefined
    this.onMessage(message.type, message.body)
  }
}

function length(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at + 1] as number) << 24) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 8) |
      (bytes[at + 4] as number)) >>>
    0
  )
}
