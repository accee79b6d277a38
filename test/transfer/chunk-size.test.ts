import { expect, test } from 'vitest'
import { CHUNK_MAX_BYTES, CHUNK_MIN_BYTES, CHUNKS_PER_RESOURCE_AIM } from '../../src/limits.ts'
import { chunkBytesFor } from '../../src/transfer/chunk-size.ts'

test('a small stream is one piece', () => {
  expect(chunkBytesFor(1000)).toBe(CHUNK_MIN_BYTES)
})

test('a middling stream is cut into a handful of pieces', () => {
  expect(chunkBytesFor(CHUNKS_PER_RESOURCE_AIM * CHUNK_MIN_BYTES * 2)).toBe(CHUNK_MIN_BYTES * 2)
})

test('no piece of a huge stream, or of one of unknown size, is larger than what is cheap to repeat', () => {
  expect(chunkBytesFor(1e15)).toBe(CHUNK_MAX_BYTES)
  expect(chunkBytesFor(undefined)).toBe(CHUNK_MAX_BYTES)
})

test('the operator can choose another size', () => {
  expect(chunkBytesFor(1e15, 8192)).toBe(8192)
})
