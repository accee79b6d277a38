import { CHUNK_MAX_BYTES, CHUNK_MIN_BYTES, CHUNKS_PER_RESOURCE_AIM } from '../limits.ts'

/**
 * How large the chunks of a stream should be: one piece while it is small, then a handful of pieces, then pieces of a
 * size that is cheap to repeat.
 */
export function chunkBytesFor(estimatedBytes: number | undefined): number {
  if (estimatedBytes === undefined) return CHUNK_MAX_BYTES
  return Math.min(CHUNK_MAX_BYTES, Math.max(CHUNK_MIN_BYTES, Math.ceil(estimatedBytes / CHUNKS_PER_RESOURCE_AIM)))
}
