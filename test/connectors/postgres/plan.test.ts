import { describe, expect, test } from 'vitest'
import type { Details } from '../../../src/connectors/postgres/details.ts'
import { legsOf, planChunks, type Slice } from '../../../src/connectors/postgres/plan.ts'

const MB = 1024 * 1024

function details(blocks: (number | { blocks: number; cut: false })[], more: Partial<Details> = {}): Details {
  return {
    table: { schema: 'public', name: 'root' },
    columns: [{ name: 'a', form: 'asis', pseudonym: false }],
    parts: blocks.map((part, at) => ({
      schema: 'public',
      name: `p${at}`,
      oid: String(at),
      file: '1',
      ...(typeof part === 'number' ? { blocks: part, cut: true } : part),
    })),
    bytesPerBlock: 8192,
    cursor: null,
    plannedBytes: 0,
    monetary: null,
    ...more,
  }
}

/** How often each block of each part is read; open ends count to the last block. */
function coverage(from: Details, chunks: { slice: unknown }[]): number[][] {
  const counts = from.parts.map((part) => new Array<number>(part.blocks + 1).fill(0))
  for (const { slice } of chunks) {
    for (const leg of legsOf(from, slice as Slice)) {
      const counted = counts[Number(leg.table.name.slice(1))] ?? []
      for (let block = leg.from; block < (leg.to ?? counted.length); block++) counted[block] = (counted[block] ?? 0) + 1
    }
  }
  return counts
}

describe('planning chunks', () => {
  test('an empty table gives one open-ended chunk', () => {
    expect([...planChunks(details([0]), MB)]).toEqual([{ id: '0000001', slice: [0, 0, 0, null], estimatedBytes: 0 }])
  })

  test('every block of every part is in exactly one chunk, for many sizes', () => {
    const shapes = [
      [1],
      [1000],
      [0, 0, 0],
      [5, 0, 700, 3, 3, 3],
      [{ blocks: 50, cut: false as const }, 9, { blocks: 500, cut: false as const }, 0, 120],
    ]
    for (const shape of shapes) {
      const from = details(shape)
      for (const target of [1, 8192, 50_000, 100_000, MB, 100 * MB]) {
        const chunks = [...planChunks(from, target)]
        expect(new Set(coverage(from, chunks).flat())).toEqual(new Set([1]))
        const ids = chunks.map(({ id }) => id)
        expect([...ids].sort()).toEqual(ids)
        expect(new Set(ids).size).toBe(ids.length)
      }
    }
  })

  test('goes on behind any chunk as if it had never stopped', () => {
    const from = details([5, 0, 70, { blocks: 50, cut: false }, 3, 200])
    const all = [...planChunks(from, 100_000)]
    for (const [at, chunk] of all.entries()) expect([...planChunks(from, 100_000, chunk)]).toEqual(all.slice(at + 1))
  })

  test('small partitions share chunks', () => {
    expect([...planChunks(details(new Array(100).fill(0)), MB)]).toHaveLength(2)
  })

  test('a million chunks are planned one by one', () => {
    const from = details([1_000_000])
    let count = 0
    let last: { id: string; slice: unknown } | undefined
    const before = process.memoryUsage().heapUsed
    for (const chunk of planChunks(from, 1)) {
      count++
      last = chunk
    }
    expect(count).toBe(1_000_000)
    expect(last).toMatchObject({ id: '1000000', slice: [0, 999_999, 0, null] })
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * MB)
    expect(planChunks(from, 1, last as never).next().done).toBe(true)
  })

  test('a load that its cursor makes small is one chunk, so that an index can serve it', () => {
    const cursor: Details['cursor'] = {
      column: 'a',
      cast: { schema: 'pg_catalog', name: 'int4' },
      start: '5',
      startInclusive: false,
      end: '9',
      endInclusive: true,
      withUnordered: false,
      empty: false,
      infinity: null,
    }
    expect([...planChunks(details([1000], { cursor, plannedBytes: 100 }), MB)]).toMatchObject([{ slice: 'whole' }])
    expect([...planChunks(details([1000], { cursor, plannedBytes: 2 * MB }), MB)].length).toBeGreaterThan(1)
    expect([...planChunks(details([1000], { cursor: { ...cursor, empty: true }, plannedBytes: 2 * MB }), MB)]).toHaveLength(1)
  })
})
