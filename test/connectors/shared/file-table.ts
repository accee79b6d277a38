import { decodeCsv } from '../../../src/codecs/decode-csv.ts'
import { decodeJsonl } from '../../../src/codecs/decode-jsonl.ts'
import { decompress } from '../../../src/codecs/decompress.ts'
import type { StreamDescription } from '../../../src/core/chunk.ts'
import type { Source } from '../../../src/core/connector.ts'
import type { Lane, Payload } from '../../../src/core/payload.ts'

export const NO_RULES = { exclude: [], pseudonymize: [] }

export async function describe(source: Source, stream: string): Promise<StreamDescription> {
  return await source.describe({ stream, rules: NO_RULES })
}

export interface ReadTable {
  rows: unknown[][]
  /** What the payloads said about themselves, per chunk. */
  counted: (number | undefined)[]
  chunkIds: string[]
}

/** Plans and reads everything on one lane, and decodes byte lanes the way a destination would: by the format alone. */
export async function readTable(
  source: Source,
  description: StreamDescription,
  via: Lane['via'],
  targetChunkBytes = Number.POSITIVE_INFINITY,
): Promise<ReadTable> {
  const lane = description.emits.find((candidate) => candidate.via === via)
  if (!lane) throw new Error(`no lane ${via}`)
  const table: ReadTable = { rows: [], counted: [], chunkIds: [] }
  for await (const chunk of source.plan(description, targetChunkBytes)) {
    const payload = await source.read(description, JSON.parse(JSON.stringify(chunk)), lane, { pseudonymSalt: '' })
    table.rows.push(...(await rowsOf(payload, description)))
    table.counted.push((await payload.completed).rows)
    table.chunkIds.push(chunk.id)
  }
  return table
}

export async function rowsOf(payload: Payload, description: StreamDescription): Promise<unknown[][]> {
  const batches = payload.via === 'records' ? payload.batches : decodedBytes(payload, description)
  const rows: unknown[][] = []
  for await (const { rowCount, columns } of batches) {
    for (let row = 0; row < rowCount; row++) rows.push(columns.map((column) => column[row]))
  }
  return rows
}

function decodedBytes(payload: Extract<Payload, { via: 'bytes' }>, { schema }: StreamDescription) {
  const plain = decompress(payload.body, payload.format.compression)
  if (payload.format.encoding === 'jsonl') return decodeJsonl(plain, schema)
  if (!payload.format.csv) throw new Error('parquet bytes are compared as bytes')
  return decodeCsv(plain, schema, { format: payload.format.csv })
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of stream) parts.push(part.slice())
  return Buffer.concat(parts)
}

/** A small repeatable generator (mulberry32): failures can be run again. */
export function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Yields a text byte by byte, or in pieces of `size`. */
export async function* pieces(bytes: Uint8Array | string, size: number): AsyncGenerator<Uint8Array, void> {
  const all = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes
  for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size)
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}
