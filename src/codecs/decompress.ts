import { createGunzip, createZstdDecompress } from 'node:zlib'
import type { ByteFormat } from '../core/payload.ts'
import { badData } from './bad-data.ts'

/** What the decompressor may hold ready: small against a batch. */
const OUTPUT_PIECE_BYTES = 128 * 1024

/**
 * Undoes the compression, pulled by the reader. Files of several gzip members or zstd frames are one text; a file that
 * ends early is a fault, never a shorter text. The platform's DecompressionStream has no zstd and refuses a second
 * gzip member, hence `node:zlib`, which workerd has too.
 */
export async function* decompress(
  body: AsyncIterable<Uint8Array>,
  compression: ByteFormat['compression'],
): AsyncGenerator<Uint8Array, void> {
  if (compression === 'none') {
    yield* body
    return
  }
  const input = new Pieces(body)
  try {
    while (await input.skipPadding()) yield* member(input, compression)
  } finally {
    await input.close()
  }
}

/**
 * One run of the decompressor. It takes further members by itself, but ends without a word when a member's last byte was
 * also the last of a piece; what it did not take is then the start of the next run.
 */
async function* member(input: Pieces, compression: 'gzip' | 'zstd'): AsyncGenerator<Uint8Array, void> {
  const unpack =
    compression === 'gzip' ? createGunzip({ chunkSize: OUTPUT_PIECE_BYTES }) : createZstdDecompress({ chunkSize: OUTPUT_PIECE_BYTES })
  let over = false
  let failure: { error: unknown } | undefined
  let wake = () => {}
  const stop = () => {
    over = true
    wake()
  }
  unpack.once('end', stop).once('close', stop).once('error', stop)
  let given = 0
  /** Given, and perhaps not taken yet, with where each began. */
  let recent: { start: number; piece: Uint8Array }[] = []
  const feed = async () => {
    try {
      while (!over) {
        const piece = await input.next()
        if (over) {
          if (piece) input.putBack(piece)
          return
        }
        if (!piece) return void unpack.end()
        recent = recent.filter(({ start, piece: older }) => start + older.length > unpack.bytesWritten)
        recent.push({ start: given, piece })
        given += piece.length
        await new Promise<void>((resolve) => {
          wake = resolve
          unpack.write(piece, () => resolve())
        })
      }
    } catch (error) {
      failure = { error }
      unpack.destroy()
    }
  }
  const feeding = feed()
  try {
    for await (const piece of unpack) yield piece as Uint8Array
    await feeding
  } catch (error) {
    throw failure ? failure.error : damaged(compression, error)
  } finally {
    stop()
    unpack.destroy()
  }
  if (failure) throw failure.error
  for (const { start, piece } of recent.reverse()) {
    const taken = Math.max(0, unpack.bytesWritten - start)
    if (taken < piece.length) input.putBack(piece.subarray(taken))
  }
}

/** Pieces of a body, which can be put back, the last one first. */
class Pieces {
  private readonly source: AsyncIterator<Uint8Array>
  private readonly held: Uint8Array[] = []

  constructor(body: AsyncIterable<Uint8Array>) {
    this.source = body[Symbol.asyncIterator]()
  }

  async next(): Promise<Uint8Array | undefined> {
    const held = this.held.pop()
    if (held) return held
    const { done, value } = await this.source.next()
    return done ? undefined : value
  }

  putBack(piece: Uint8Array): void {
    this.held.push(piece)
  }

  /** Whether anything but zero bytes follows; those pad archives and are no data. */
  async skipPadding(): Promise<boolean> {
    for (let piece = await this.next(); piece; piece = await this.next()) {
      const start = piece.findIndex((byte) => byte !== 0)
      if (start < 0) continue
      this.putBack(piece.subarray(start))
      return true
    }
    return false
  }

  async close(): Promise<void> {
    await this.source.return?.()
  }
}

function damaged(compression: string, error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const early = code === 'Z_BUF_ERROR'
  const fault = badData(
    early ? `The ${compression} data ends early` : `The ${compression} data is damaged${code ? ` (${code})` : ''}`,
    'Write the file again; `gzip -t` or `zstd -t` shows whether it is whole.',
  )
  fault.cause = error
  return fault
}
