import { CHUNK_MAX_BYTES, CHUNK_MIN_BYTES, CHUNKS_PER_RESOURCE_AIM } from '../limits.ts'

/**
 * How large the chunks of a stream should be: one piece while it is small, then a handful of pieces, then pieces of a
 * size that is cheap to repeat.
 * @param fixedBytes the operator's own choice, instead of all that
 */
export function chunkBytesFor(estimatedBytes: number | undefined, fixedBytes?: number): number {
  if (fixedBytes !== undefined) return fixedBytes
  if (estimatedBytes === undefined) return CHUNK_MAX_BYTES
  return Math.min(CHUNK_MAX_BYTES, Math.max(CHUNK_MIN_BYTES, Math.ceil(estimatedBytes / CHUNKS_PER_RESOURCE_AIM)))
}
