import { Readable } from 'node:stream'
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
  let failedUpstream: { error: unknown } | undefined
  const input = Readable.from(
    (async function* () {
      try {
        yield* body
      } catch (error) {
        failedUpstream = { error }
        throw error
      }
    })(),
    { objectMode: false, highWaterMark: OUTPUT_PIECE_BYTES },
  )
  const unpack =
    compression === 'gzip' ? createGunzip({ chunkSize: OUTPUT_PIECE_BYTES }) : createZstdDecompress({ chunkSize: OUTPUT_PIECE_BYTES })
  input.once('error', (error) => unpack.destroy(error))
  input.pipe(unpack)
  try {
    for await (const piece of unpack) yield piece as Uint8Array
  } catch (error) {
    if (failedUpstream) throw failedUpstream.error
    throw damaged(compression, error)
  } finally {
    input.destroy()
    unpack.destroy()
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
