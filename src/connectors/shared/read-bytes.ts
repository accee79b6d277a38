import { badData } from '../../codecs/bad-data.ts'
import { countCsvRecords, countJsonLines, type RecordCounter } from '../../codecs/count-records.ts'
import { openParquet } from '../../codecs/decode-parquet.ts'
import { decompress } from '../../codecs/decompress.ts'
import type { Io } from '../../core/connector.ts'
import { IngestError, type Place } from '../../core/errors.ts'
import type { ByteFormat, Payload, ReadOutcome } from '../../core/payload.ts'
import type { Schema } from '../../core/schema.ts'
import { FILE_SAMPLE_BYTES } from '../../limits.ts'
import { csvPrefix, csvStart } from './csv-header.ts'
import { checkParquet, parquetBuffer } from './describe-parquet.ts'
import { placed, withPlace } from './faults.ts'
import type { FileDetails, FileSlice } from './file-details.ts'
import { GuardedBody, readHead } from './guarded-body.ts'
import type { ObjectStore } from './object-store.ts'

/**
 * workerd's pipe has copied a piece when its write is done, so one buffer serves a whole chunk: without that, memory
 * grows by what the collector has not found yet. Other runtimes hand the piece itself on.
 */
const PIPE_COPIES = 'IdentityTransformStream' in globalThis

export interface FileRead {
  store: ObjectStore
  details: FileDetails
  slice: FileSlice
  schema: Schema
  io: Io
  place: Place
}

/**
 * Passes the bytes of a chunk on through one hop that counts records; compressed files pass uncounted. CSV always
 * begins with a header line of ours, so that chunks cut from the middle and renamed columns bind as well.
 */
export async function readBytes(read: FileRead, format: ByteFormat): Promise<Payload> {
  const { store, slice, io } = read
  const rows = await withPlace(read.place, () => checkedBefore(read))
  const source = await GuardedBody.open(store, slice.object, rangeOf(slice), io)
  const { readable, writable } = io.pipe()
  const writer = writable.getWriter()
  writer.closed.catch(() => {})
  let stopped = false
  const stop = () => {
    stopped = true
    source.cancel()
    writer.abort(new IngestError({ tag: 'cancelled' })).catch(() => {})
  }
  const run = async (): Promise<ReadOutcome> => {
    try {
      const counted = await pass(read, source, writer)
      await writer.close()
      return { bytes: source.bytes, rows: rows ?? counted }
    } catch (error) {
      source.cancel()
      // The reader of the pipe left, or cancel was called: that is the cause, whatever the writer says.
      const cause = stopped
        ? new IngestError({ tag: 'cancelled' })
        : error instanceof IngestError
          ? placed(error, read.place)
          : new IngestError({ tag: 'cancelled' }, { cause: error })
      writer.abort(cause).catch(() => {})
      throw cause
    }
  }
  const completed = run()
  completed.catch(() => {})
  return { via: 'bytes', format, body: readable, completed, cancel: stop, sentBytes: () => source.bytes }
}

export function rangeOf(slice: FileSlice): { from: number; to: number } | undefined {
  const whole = slice.from === 0 && (slice.to === undefined || slice.to === slice.object.size)
  return whole || slice.to === undefined ? undefined : { from: slice.from, to: slice.to }
}

async function pass(
  { details, slice, schema }: FileRead,
  source: GuardedBody,
  writer: WritableStreamDefaultWriter<Uint8Array>,
): Promise<number | undefined> {
  if (details.compression !== 'none' || details.encoding === 'parquet') {
    for (let piece = await source.read(); piece; piece = await source.read(spent(piece))) await writer.write(piece)
    return undefined
  }
  const counter = details.csv ? countCsvRecords(details.csv) : countJsonLines()
  if (details.csv) {
    const start = slice.columns ? { columns: slice.columns, rest: undefined } : await startOf(source, details.csv, schema)
    await writer.write(csvPrefix(start.columns, details.csv))
    if (start.rest?.length) await forward(start.rest, counter, writer)
  }
  for (let piece = await source.read(); piece; piece = await source.read(spent(piece))) await forward(piece, counter, writer)
  const counted = counter.end()
  if (counted.insideQuotes) throw insideQuotes(slice)
  return counted.records
}

function spent(piece: Uint8Array): Uint8Array | undefined {
  return PIPE_COPIES ? piece : undefined
}

async function forward(piece: Uint8Array, counter: RecordCounter, writer: WritableStreamDefaultWriter<Uint8Array>): Promise<void> {
  counter.push(piece)
  await writer.write(piece)
}

async function startOf(
  source: GuardedBody,
  format: NonNullable<FileDetails['csv']>,
  schema: Schema,
): Promise<{ columns: string[]; rest: Uint8Array }> {
  let held = new Uint8Array(0)
  for (;;) {
    const piece = await source.read()
    if (piece) {
      const longer = new Uint8Array(held.length + piece.length)
      longer.set(held)
      longer.set(piece, held.length)
      held = longer
    }
    const start = csvStart(held, piece === undefined, format, schema)
    if (start) return start
  }
}

/** A chunk in front of or behind a guessed cut may end inside quotes because the guess was wrong; a whole file only when it is broken. */
export function insideQuotes(slice: FileSlice): IngestError {
  if (rangeOf(slice) === undefined) {
    return badData('The file ends inside a quoted field', 'Look for a quote that is never closed; the file may also have been cut short.')
  }
  return new IngestError({
    tag: 'misplaced-cut',
    message: `The chunk from byte ${slice.from} to ${slice.to} begins or ends inside a quoted field`,
    place: { side: 'source' },
    remedy: 'The file is read again in one piece.',
  })
}

/** What cannot be seen while the bytes pass by: the rows of Parquet, and the columns of files that are passed on unread. */
async function checkedBefore({ store, details, slice, schema, io, place }: FileRead): Promise<number | undefined> {
  if (details.encoding === 'parquet') {
    const file = await openParquet(await parquetBuffer(store, slice.object, io, place))
    checkParquet(file, schema)
    return file.rows
  }
  if (details.compression !== 'none' && details.csv && details.objectCount > 1) {
    const head = await readHead(store, slice.object, FILE_SAMPLE_BYTES, io)
    let text = new Uint8Array(0)
    try {
      for await (const piece of decompress(once(head.bytes), details.compression)) {
        const longer = new Uint8Array(text.length + piece.length)
        longer.set(text)
        longer.set(piece, text.length)
        text = longer
        if (csvStart(text, false, details.csv, schema)) return undefined
      }
      csvStart(text, true, details.csv, schema)
    } catch (error) {
      // The head of a file ends in the middle of the compressed data; that is no damage.
      const early = error instanceof IngestError && error.fault.tag === 'bad-data' && error.fault.message.endsWith('ends early')
      if (!early || head.whole) throw error
    }
  }
  return undefined
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes
}
