import { findCsvCut } from '../../codecs/csv-cut.ts'
import { inferCsv } from '../../codecs/infer-csv.ts'
import type { Chunk } from '../../core/chunk.ts'
import type { Io } from '../../core/connector.ts'
import type { Place } from '../../core/errors.ts'
import { FILE_SAMPLE_BYTES, FILE_WINDOW_BYTES } from '../../limits.ts'
import { withPlace } from './faults.ts'
import { type FileDetails, type FileSlice, sliceOf, toJson } from './file-details.ts'
import { readHead, readRange } from './guarded-body.ts'
import { objectsAgain } from './list-objects.ts'
import type { ObjectStore, StoredObject } from './object-store.ts'

/** Where no cut is found in this much, the chunk grows to the next place. */
const CUT_SEARCH_MAX_BYTES = 1024 * 1024
const OBJECT_DIGITS = 5
const PART_DIGITS = 8

/**
 * One chunk per file; large plain text files are cut near every multiple of `targetChunkBytes`, which gives the same
 * cuts whenever and from wherever it is asked. `Infinity` cuts nothing.
 */
export async function* planFiles(
  store: ObjectStore,
  details: FileDetails,
  targetChunkBytes: number,
  after: Chunk | undefined,
  io: Io,
  place: Place,
): AsyncGenerator<Chunk, void> {
  const objects = await objectsAgain(store, details, place)
  const done = after && sliceOf(after)
  for (const [index, object] of objects.entries()) {
    if (done && index < done.index) continue
    if (!isCut(details, object, targetChunkBytes)) {
      if (done?.index !== index) yield chunk({ index, object, from: 0, to: object.size }, 0)
      continue
    }
    yield* withPlaceAll(
      { ...place, resource: object.key },
      cutObject(store, details, index, object, object.size ?? 0, targetChunkBytes, done?.index === index ? done : undefined, io),
    )
  }
}

function isCut(details: FileDetails, object: StoredObject, target: number): boolean {
  const plain = details.compression === 'none' && details.encoding !== 'parquet' && details.textEncoding === 'utf-8'
  return plain && !details.wholeObjects && object.ranges && object.size !== undefined && object.size > target
}

async function* cutObject(
  store: ObjectStore,
  details: FileDetails,
  index: number,
  object: StoredObject,
  size: number,
  target: number,
  done: FileSlice | undefined,
  io: Io,
): AsyncGenerator<Chunk, void> {
  const { csv } = details
  const columns = csv && (await columnsOf(store, object, csv, io))
  let from = done?.to ?? 0
  if (from >= size) return
  for (;;) {
    const to = await nextCut(store, details, columns?.length ?? 0, object, size, target, from, io)
    // The first chunk keeps the file's own header; the others are told its columns.
    const slice: FileSlice = { index, object, from, to, ...(columns && from > 0 && { columns }) }
    yield chunk(slice, from === 0 ? 0 : Math.floor(from / target))
    if (to >= size) return
    from = to
  }
}

async function nextCut(
  store: ObjectStore,
  details: FileDetails,
  width: number,
  object: StoredObject,
  size: number,
  target: number,
  from: number,
  io: Io,
): Promise<number> {
  for (let multiple = Math.floor(from / target) + 1; ; multiple++) {
    const nominal = Math.floor(multiple * target)
    // A small rest is not worth a chunk of its own.
    if (nominal >= size - target / 4) return size
    const cut = await cutNear(store, details, width, object, size, nominal, io)
    if (cut !== undefined && cut > from && cut < size) return cut
  }
}

async function cutNear(
  store: ObjectStore,
  details: FileDetails,
  width: number,
  object: StoredObject,
  size: number,
  nominal: number,
  io: Io,
): Promise<number | undefined> {
  for (let length = FILE_WINDOW_BYTES; length <= CUT_SEARCH_MAX_BYTES; length *= 4) {
    const window = await readRange(store, object, { from: nominal - 1, to: Math.min(size, nominal + length) }, io)
    const bytes = window.subarray(1)
    const found = details.csv ? findCsvCut(bytes, window[0] as number, width, details.csv) : lineStart(window)
    if (found !== undefined) return nominal + found
    if (nominal + length >= size) return undefined
  }
  return undefined
}

/** The start of the first line in the window, which has one byte before it. */
function lineStart(window: Uint8Array): number | undefined {
  const newline = window.indexOf(10)
  return newline < 0 ? undefined : newline
}

async function columnsOf(store: ObjectStore, object: StoredObject, csv: NonNullable<FileDetails['csv']>, io: Io): Promise<string[]> {
  const head = await readHead(store, object, FILE_WINDOW_BYTES, io)
  try {
    return inferCsv(head.bytes, head.whole, csv).columns
  } catch {
    // A header, or first record, longer than the first look.
    const longer = await readHead(store, object, FILE_SAMPLE_BYTES, io)
    return inferCsv(longer.bytes, longer.whole, csv).columns
  }
}

function chunk(slice: FileSlice, part: number): Chunk {
  const id = slice.index.toString(36).padStart(OBJECT_DIGITS, '0') + part.toString(36).padStart(PART_DIGITS, '0')
  return { id, slice: toJson(slice), ...(slice.to !== undefined && { estimatedBytes: slice.to - slice.from }) }
}

async function* withPlaceAll<T>(place: Place, items: AsyncGenerator<T, void>): AsyncGenerator<T, void> {
  for (;;) {
    const next = await withPlace(place, () => items.next())
    if (next.done) return
    yield next.value
  }
}
