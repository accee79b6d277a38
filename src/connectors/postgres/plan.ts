import type { Chunk } from '../../core/chunk.ts'
import { PARTITIONS_PER_CHUNK } from '../../limits.ts'
import type { Details } from './details.ts'
import type { Leg } from './select.ts'

/** `whole`, or [part, block] up to [part, block]; the last block null is open-ended. JSON. */
export type Slice = 'whole' | [fromPart: number, fromBlock: number, toPart: number, toBlock: number | null]

const ID_DIGITS = 7
/** Columns times parts of one statement: each part repeats the list. */
const COLUMNS_PER_STATEMENT = 8_000

/**
 * Cuts the tables behind a stream into ranges of blocks, in one line from the first block of the first part to the end
 * of the last. Needs no server and keeps nothing but its place in that line.
 */
export function* planChunks(details: Details, targetChunkBytes: number, after?: Chunk): Generator<Chunk> {
  const last = after?.slice as Slice | undefined
  if (last === 'whole') return
  const small = details.cursor !== null && (details.cursor.empty || details.plannedBytes <= targetChunkBytes)
  if (details.parts.length === 0 || (small && !last)) {
    yield { id: chunkId(1), slice: 'whole', estimatedBytes: Math.round(details.plannedBytes) }
    return
  }
  const chunkBlocks = evenBlocks(details, targetChunkBytes)
  let number = after ? Number(after.id) : 0
  let place = last ? behind(last) : { part: 0, block: 0 }
  while (place.part < details.parts.length) {
    const { slice, blocks } = take(details, place, chunkBlocks)
    number++
    yield { id: chunkId(number), slice, estimatedBytes: Math.round(blocks * details.bytesPerBlock) }
    place = behind(slice)
  }
}

function chunkId(number: number): string {
  return String(number).padStart(ID_DIGITS, '0')
}

type Place = { part: number; block: number }
type Range = Exclude<Slice, 'whole'>

function behind([, , part, block]: Range): Place {
  return block === null ? { part: part + 1, block: 0 } : { part, block }
}

/** Chunks of one size rather than many full ones and a crumb. */
function evenBlocks(details: Details, targetChunkBytes: number): number {
  const total = details.parts.reduce((sum, part) => sum + part.blocks, 0)
  const target = Math.max(1, Math.floor(targetChunkBytes / details.bytesPerBlock))
  const chunks = Math.max(1, Math.ceil(total / target))
  return Math.max(1, Math.ceil(total / chunks))
}

function take({ parts, columns }: Details, from: Place, chunkBlocks: number): { slice: Range; blocks: number } {
  const partsMax = Math.max(1, Math.min(PARTITIONS_PER_CHUNK, Math.floor(COLUMNS_PER_STATEMENT / columns.length)))
  let taken = 0
  let end = from.part
  for (let part = from.part; part < parts.length && part - from.part < partsMax; part++) {
    const { blocks, cut } = parts[part] ?? { blocks: 0, cut: false }
    const first = part === from.part ? from.block : 0
    const left = Math.max(0, blocks - first)
    const room = chunkBlocks - taken
    if (left > room) {
      if (cut && room > 0) return { slice: [from.part, from.block, part, first + room], blocks: taken + room }
      if (part > from.part) break
    }
    taken += left
    end = part
  }
  return { slice: [from.part, from.block, end, null], blocks: taken }
}

export function legsOf(details: Details, slice: Slice): Leg[] {
  if (slice === 'whole') return [{ table: details.table, only: false, from: 0, to: null }]
  const [fromPart, fromBlock, toPart, toBlock] = slice
  return details.parts.slice(fromPart, toPart + 1).map((part, at) => ({
    table: { schema: part.schema, name: part.name },
    only: true,
    from: at === 0 ? fromBlock : 0,
    to: fromPart + at === toPart ? toBlock : null,
  }))
}
