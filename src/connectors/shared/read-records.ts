import { decodeCsv } from '../../codecs/decode-csv.ts'
import { decodeJsonl } from '../../codecs/decode-jsonl.ts'
import { decodeParquet, openParquet } from '../../codecs/decode-parquet.ts'
import { decompress } from '../../codecs/decompress.ts'
import { IngestError } from '../../core/errors.ts'
import type { Payload, ReadOutcome, RecordBatch } from '../../core/payload.ts'
import { checkParquet, parquetBuffer } from './describe-parquet.ts'
import { placed, withPlace } from './faults.ts'
import { GuardedBody } from './guarded-body.ts'
import { type FileRead, insideQuotes, rangeOf } from './read-bytes.ts'

/** Decodes a chunk, pulled batch by batch. */
export async function readRecords(read: FileRead): Promise<Payload> {
  const { schema, place } = read
  const { batches, bytes, stop } = await withPlace(place, () => decoded(read))
  let rows = 0
  let cancelled = false
  let settle: { resolve(outcome: ReadOutcome): void; reject(cause: unknown): void } | undefined
  const completed = new Promise<ReadOutcome>((resolve, reject) => {
    settle = { resolve, reject }
  })
  completed.catch(() => {})
  const cancel = () => {
    cancelled = true
    stop()
    settle?.reject(new IngestError({ tag: 'cancelled' }))
  }
  async function* pull(): AsyncGenerator<RecordBatch, void> {
    let ended = false
    try {
      for await (const batch of batches) {
        rows += batch.rowCount
        yield batch
      }
      ended = true
      settle?.resolve({ rows, bytes: bytes() })
    } catch (error) {
      ended = true
      const cause = cancelled ? new IngestError({ tag: 'cancelled' }) : placed(cutFault(error, read), place)
      settle?.reject(cause)
      throw cause
    } finally {
      // Whoever pulls left before the end.
      if (!ended) cancel()
    }
  }
  return { via: 'records', schema, batches: pull(), completed, cancel, sentBytes: bytes }
}

interface Decoded {
  batches: AsyncIterable<RecordBatch>
  bytes: () => number
  stop: () => void
}

async function decoded({ store, details, slice, schema, io, place }: FileRead): Promise<Decoded> {
  if (details.encoding === 'parquet') {
    const stopping = new AbortController()
    const bounded = { ...io, signal: AbortSignal.any([io.signal, stopping.signal]) }
    let bytes = 0
    const buffer = await parquetBuffer(store, slice.object, bounded, place)
    const counted = {
      byteLength: buffer.byteLength,
      slice: async (from: number, to?: number) => {
        const part = await buffer.slice(from, to)
        bytes += part.byteLength
        return part
      },
    }
    const file = await openParquet(counted)
    checkParquet(file, schema)
    return { batches: decodeParquet(counted, file, schema), bytes: () => bytes, stop: () => stopping.abort() }
  }
  const body = await GuardedBody.open(store, slice.object, rangeOf(slice), io)
  const plain = decompress(body, details.compression)
  const batches = details.csv
    ? decodeCsv(plain, schema, { format: details.csv, encoding: details.textEncoding, columns: slice.columns })
    : decodeJsonl(plain, schema)
  return { batches, bytes: () => body.bytes, stop: () => body.cancel() }
}

/** In a chunk with a guessed cut, broken quoting or a ragged record may come from the cut. */
function cutFault(error: unknown, { details, slice }: FileRead): unknown {
  const guessed = details.csv !== undefined && rangeOf(slice) !== undefined
  const quoting = error instanceof IngestError && error.fault.tag === 'bad-data' && /quote|fields where/.test(error.fault.message)
  return guessed && quoting ? insideQuotes(slice) : error
}
