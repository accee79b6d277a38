import type { Io } from '../../../core/connector.ts'
import { IngestError } from '../../../core/errors.ts'
import type { Payload, ReadOutcome } from '../../../core/payload.ts'
import { COPY_BUFFER_BYTES, IDLE_TIMEOUT_MS } from '../../../limits.ts'
import type { PostgresConfig } from '../config.ts'
import { sourcePlace, toIngestError } from '../faults.ts'
import { sendCancel } from './cancel-request.ts'
import { CopyFrames } from './copy-frames.ts'
import { IdleGuard } from './idle-guard.ts'
import { Interrupt } from './interrupt.ts'
import { query, terminate } from './messages.ts'
import { type PostgresError, parseError, parseRow, parseText } from './replies.ts'
import { openSession, type Session } from './session.ts'

export interface CopyStatements {
  /** Opens the transaction; its last row is handed to `accept`. Failing statements are told by how many came before. */
  prepare: string
  /** Throws to refuse what `prepare` found. */
  accept(row: (string | null)[]): void
  /** Turns an error of `prepare` into a fault; `done` is how many statements succeeded before. */
  explain?(error: unknown, done: number): unknown
  /** `COPY (…) TO STDOUT`, text format. */
  copy: string
}

export interface CopyOptions {
  /** Table, for messages. */
  resource: string
  idleTimeoutMs?: number
  bufferBytes?: number
  /** Asked when nothing came for `idleTimeoutMs`: false when the server no longer works on it. */
  isWorking?(): Promise<boolean>
}

/**
 * Runs one COPY on a connection of its own and returns its bytes as they come. Settles once the server accepted the
 * statement, so a missing table or right is thrown here. Whatever fails first wins: it aborts the body, stops the
 * server by a cancel request and closes the socket, all at once.
 */
export async function copyOut(
  config: PostgresConfig,
  io: Io,
  statements: CopyStatements,
  options: CopyOptions,
): Promise<Extract<Payload, { via: 'bytes' }>> {
  const place = sourcePlace(config, options.resource)
  const interrupt = new Interrupt()
  const cancel = () => interrupt.fail(new IngestError({ tag: 'cancelled' }))
  io.signal.addEventListener('abort', cancel, { once: true })
  interrupt.onFail(() => io.signal.removeEventListener('abort', cancel))
  if (io.signal.aborted) cancel()

  try {
    if (interrupt.failed) throw interrupt.error
    const session = await openSession(config, io, interrupt)
    interrupt.onFail(() => {
      if (session.cancelKey) void sendCancel(config, io, session.cancelKey, session.encrypted)
    })
    const idleTimeoutMs = options.idleTimeoutMs ?? io.idleTimeoutMs ?? IDLE_TIMEOUT_MS
    const idle = new IdleGuard(interrupt, place, idleTimeoutMs, async () => (await options.isWorking?.()) ?? false)
    await prepare(session, interrupt, idle, statements)
    const copy = new CopyOut(io, interrupt, idle, session, options.bufferBytes ?? COPY_BUFFER_BYTES)
    await copy.start(statements.copy)
    const completed = copy
      .run()
      .catch((error) => {
        interrupt.fail(toIngestError(error, place))
        throw interrupt.error
      })
      .finally(() => io.signal.removeEventListener('abort', cancel))
    // Whoever cancels a payload may never look at `completed`.
    completed.catch(() => {})
    return {
      via: 'bytes',
      format: { encoding: 'tsv', compression: 'none' },
      body: copy.body,
      completed,
      cancel,
      sentBytes: () => copy.sentBytes,
    }
  } catch (error) {
    interrupt.fail(toIngestError(error, place))
    throw interrupt.error
  }
}

async function prepare(session: Session, interrupt: Interrupt, idle: IdleGuard, statements: CopyStatements): Promise<void> {
  await interrupt.wait(session.socket.write(query(statements.prepare)))
  let done = 0
  let row: (string | null)[] = []
  let failure: unknown
  for (;;) {
    try {
      const { type, body } = await idle.watch(session.reader.next())
      if (type === 'D') row = parseRow(body)
      if (type === 'C') done++
      if (type === 'Z') break
    } catch (error) {
      // A connection that broke has no more to say.
      failure = statements.explain?.(error, done) ?? error
      break
    }
  }
  if (failure) throw failure
  statements.accept(row)
}

class CopyOut {
  readonly body: ReadableStream<Uint8Array>
  sentBytes = 0
  private readonly writer: WritableStreamDefaultWriter<Uint8Array>
  private readonly interrupt: Interrupt
  private readonly idle: IdleGuard
  private readonly session: Session
  private readonly frames: CopyFrames
  private readonly halfBytes: number
  private buffer: Uint8Array
  private rows: number | undefined
  private refusal: PostgresError | undefined

  constructor(io: Io, interrupt: Interrupt, idle: IdleGuard, session: Session, bufferBytes: number) {
    this.interrupt = interrupt
    this.idle = idle
    this.session = session
    this.buffer = new Uint8Array(bufferBytes)
    this.halfBytes = bufferBytes >> 1
    this.frames = new CopyFrames((type, body) => this.take(type, body))
    const { readable, writable } = io.pipe()
    this.body = readable
    this.writer = writable.getWriter()
    interrupt.onFail((error) => void this.writer.abort(error).catch(() => {}))
    // The reader went away while nothing was being written.
    this.writer.closed.catch(() => interrupt.fail(new IngestError({ tag: 'cancelled' })))
  }

  /**
   * `readAtLeast` waits for half a buffer, also when the last bytes of the table are fewer. So a second query follows
   * whose answer fills that half. (A Terminate message would end the wait too, but poolers drop the server connection
   * as soon as they see one.)
   */
  async start(copy: string): Promise<void> {
    await this.interrupt.wait(this.session.socket.write(query(copy)))
    await this.interrupt.wait(this.session.socket.write(query(`ROLLBACK; SELECT pg_catalog.repeat('x', ${this.halfBytes})`)))
    const { reader } = this.session
    const message = await this.idle.watch(reader.next())
    if (message.type !== 'H') throw new Error('The server did not start the COPY')
  }

  async run(): Promise<ReadOutcome> {
    let data = this.session.reader.takeRest()
    for (;;) {
      const length = this.frames.strip(data)
      if (length > 0) {
        // Returns once the reader took it: the memory is used again for the next read.
        await this.interrupt.wait(this.writer.write(length === data.length ? data : data.subarray(0, length)))
        this.sentBytes += length
      }
      if (this.refusal) throw this.refusal
      if (this.rows !== undefined) break
      const read = await this.idle.watch(this.session.socket.readAtLeast(this.halfBytes, this.buffer))
      if (read.done) throw new Error('The server closed the connection in the middle of the COPY')
      data = read.value
      this.buffer = new Uint8Array(data.buffer as ArrayBuffer)
    }
    await this.interrupt.wait(this.writer.close())
    this.interrupt.finish()
    void this.leave()
    return { rows: this.rows, bytes: this.sentBytes }
  }

  private take(type: string, body: Uint8Array): void {
    if (type === 'E' && this.rows === undefined) this.refusal ??= parseError(body)
    if (type === 'C' && this.rows === undefined) {
      const tag = /^COPY (\d+)$/.exec(parseText(body))
      if (tag) this.rows = Number(tag[1])
    }
  }

  /** Politely, so that the server logs no broken connection. */
  private async leave(): Promise<void> {
    try {
      await this.session.socket.write(terminate())
    } catch {
      // Gone already.
    }
    this.session.socket.close()
  }
}
