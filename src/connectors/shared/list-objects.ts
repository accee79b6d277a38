import type { Place } from '../../core/errors.ts'
import { OBJECT_REQUESTS_AT_ONCE, OBJECTS_PER_STREAM_MAX } from '../../limits.ts'
import { objectChanged, unsupported } from './faults.ts'
import type { FileDetails } from './file-details.ts'
import type { ObjectStore, StoredObject } from './object-store.ts'

/** All objects of a pattern, in the store's order. */
export async function listObjects(store: ObjectStore, pattern: string, hinted: boolean, place: Place): Promise<StoredObject[]> {
  const objects: StoredObject[] = []
  for await (const object of store.list(pattern, hinted)) {
    if (objects.length === OBJECTS_PER_STREAM_MAX) {
      throw unsupported(`More than ${OBJECTS_PER_STREAM_MAX} objects match`, place, 'Choose a narrower pattern and load it in parts.')
    }
    objects.push(object)
  }
  return objects
}

/** The same objects as at `describe`. @throws IngestError `rejected` when the listing is another by now */
export async function objectsAgain(store: ObjectStore, details: FileDetails, place: Place): Promise<StoredObject[]> {
  if (details.objects) return details.objects
  const objects = await listObjects(store, details.pattern, details.hinted, place)
  if (digestOf(objects) !== details.digest) throw objectChanged(place)
  return objects
}

/** Stands for keys, versions and sizes of all objects, in order. Two FNV-1a hashes: against accidents, not against malice. */
export function digestOf(objects: readonly StoredObject[]): string {
  let a = 0x811c9dc5
  let b = 0x9dc5811c
  for (const object of objects) {
    const text = JSON.stringify([object.key, object.size, object.etag, object.modified])
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      a = Math.imul(a ^ code, 0x01000193)
      b = Math.imul(b ^ (code + index), 0x01000193)
    }
  }
  return `${objects.length}-${(a >>> 0).toString(36)}-${(b >>> 0).toString(36)}`
}

/** Runs a bounded number of steps at once; results in order. The first failure wins. */
export async function mapBounded<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length)
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const index = next++
      results[index] = await work(items[index] as T, index)
    }
  }
  await Promise.all(Array.from({ length: Math.min(OBJECT_REQUESTS_AT_ONCE, items.length) }, worker))
  return results
}

/** The first object and up to `count - 1` others, evenly spread, the last one included. */
export function spread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items]
  return Array.from({ length: count }, (_, index) => items[Math.round((index * (items.length - 1)) / (count - 1))] as T)
}
