import type { Io } from '../../core/connector.ts'
import { IngestError, type Place } from '../../core/errors.ts'
import { COPY_BUFFER_BYTES } from '../../limits.ts'
import { unreachable } from './faults.ts'
import { patienceMs, silent } from './in-time.ts'
import type { ByteRange, ObjectStore, StoredObject } from './object-store.ts'

/**
 * workerd hands over 4 KB at a time unless asked for more; its `readAtLeast` does that. The standard's `min` option would
 * fail on the last bytes of a closed stream.
 */
interface PieceReader {
  read(view: Uint8Array): Promise<{ done: boolean; value?: Uint8Array }>
  readAtLeast?(minBytes: number, view: Uint8Array): Promise<{ done: boolean; value?: Uint8Array }>
  cancel(): Promise<void>
}

/**
 * The bytes of an object, pulled in large pieces that belong to the reader. Fewer bytes than announced, silence for
 * IDLE_TIMEOUT_MS, cancel and abort are faults; the first cause wins and stops the transfer at once.
 */
export class GuardedBody implements AsyncIterable<Uint8Array> {
  /** Read so far. */
  bytes = 0
  private reader: PieceReader | undefined
  private expected: number | undefined
  private cause: IngestError | undefined
  private readonly transfer = new AbortController()
  private readonly io: Io
  private readonly place: Place
  private readonly onAbort = () => this.fail(new IngestError({ tag: 'cancelled' }))

  static async open(store: ObjectStore, object: StoredObject, range: ByteRange | undefined, io: Io): Promise<GuardedBody> {
    const guarded = new GuardedBody(store, object, io)
    try {
      if (range && range.to <= range.from) return guarded
      const opened = await guarded.waitFor(store.open(object, range, guarded.transfer.signal))
      guarded.expected = opened.bytes
      guarded.reader = opened.body?.getReader({ mode: 'byob' }) as PieceReader | undefined
      if (!opened.body && (opened.bytes ?? 0) > 0) throw unreachable('The answer has no body', guarded.place)
      guarded.throwIfFailed()
    } catch (error) {
      const failure =
        guarded.cause ?? (error instanceof IngestError ? error : unreachable(`No answer: ${reason(error)}`, guarded.place, error))
      guarded.fail(failure)
      throw failure
    }
    return guarded
  }

  private constructor(store: ObjectStore, object: StoredObject, io: Io) {
    this.io = io
    this.place = { side: 'source', system: store.system, address: store.address, resource: object.key }
    io.signal.addEventListener('abort', this.onAbort)
    if (io.signal.aborted) this.onAbort()
  }

  /** The next piece, or undefined behind the last one. `spent` is an earlier piece that nobody needs any more: its memory is used again. */
  async read(spent?: Uint8Array): Promise<Uint8Array | undefined> {
    this.throwIfFailed()
    if (!this.reader) return this.finish()
    try {
      const { done, value } = await this.waitFor(this.nextPiece(this.reader, spent))
      this.throwIfFailed()
      const size = value?.byteLength ?? 0
      this.bytes += size
      if (this.expected !== undefined && this.bytes > this.expected)
        throw unreachable(`More than the announced ${this.expected} bytes came`, this.place)
      if (size > 0) return value
      if (!done) return await this.read()
    } catch (error) {
      const failure =
        this.cause ??
        (error instanceof IngestError
          ? error
          : unreachable(`The transfer broke off after ${this.bytes} bytes: ${reason(error)}`, this.place, error))
      this.fail(failure)
      throw failure
    }
    return this.finish()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    try {
      for (let piece = await this.read(); piece; piece = await this.read()) yield piece
    } finally {
      this.cancel()
    }
  }

  /** Stops the transfer; harmless afterwards. Never throws. */
  cancel(): void {
    this.fail(new IngestError({ tag: 'cancelled' }))
  }

  private nextPiece(reader: PieceReader, spent: Uint8Array | undefined): Promise<{ done: boolean; value?: Uint8Array }> {
    const view = spent?.buffer.byteLength === COPY_BUFFER_BYTES ? new Uint8Array(spent.buffer) : new Uint8Array(COPY_BUFFER_BYTES)
    return reader.readAtLeast ? reader.readAtLeast(COPY_BUFFER_BYTES / 2, view) : reader.read(view)
  }

  private finish(): undefined {
    if (this.expected !== undefined && this.bytes < this.expected) {
      const failure = unreachable(`The transfer ended after ${this.bytes} of ${this.expected} bytes`, this.place)
      this.fail(failure)
      throw failure
    }
    this.io.signal.removeEventListener('abort', this.onAbort)
    this.reader = undefined
    return undefined
  }

  private fail(error: IngestError): void {
    if (this.cause) return
    this.cause = error
    this.io.signal.removeEventListener('abort', this.onAbort)
    // Without a reason of our own: workerd reports one as an uncaught exception.
    this.transfer.abort()
    this.reader?.cancel().catch(() => {})
  }

  private throwIfFailed(): void {
    if (this.cause) throw this.cause
  }

  private async waitFor<T>(step: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.fail(silent(this.io, this.place)), patienceMs(this.io))
    try {
      return await step
    } finally {
      clearTimeout(timer)
    }
  }
}

/** A part of an object, whole in memory. */
export async function readRange(
  store: ObjectStore,
  object: StoredObject,
  range: ByteRange | undefined,
  io: Io,
): Promise<Uint8Array<ArrayBuffer>> {
  const body = await GuardedBody.open(store, object, range, io)
  const pieces: Uint8Array[] = []
  for (let piece = await body.read(); piece; piece = await body.read()) pieces.push(piece)
  const all = new Uint8Array(body.bytes)
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.byteLength
  }
  return all
}

/** The first bytes of an object, at most `limit`, by a range where there are ranges, else by leaving early. */
export async function readHead(
  store: ObjectStore,
  object: StoredObject,
  limit: number,
  io: Io,
): Promise<{ bytes: Uint8Array; whole: boolean }> {
  const ranged = object.ranges && object.size !== undefined && object.size > limit
  const body = await GuardedBody.open(store, object, ranged ? { from: 0, to: limit } : undefined, io)
  const pieces: Uint8Array[] = []
  let ended = false
  try {
    while (body.bytes <= limit && !ended) {
      const piece = await body.read()
      if (piece) pieces.push(piece)
      else ended = true
    }
  } finally {
    body.cancel()
  }
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.byteLength
  }
  return { bytes: all.subarray(0, limit), whole: ended && !ranged && all.length <= limit }
}

function reason(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return inner instanceof Error ? inner.message || inner.name : String(inner)
}
