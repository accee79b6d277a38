import { z } from 'zod'
import type { Chunk, Json, StreamDescription } from '../../core/chunk.ts'

const storedObject = z.object({
  key: z.string(),
  size: z.number().optional(),
  etag: z.string().optional(),
  modified: z.string().optional(),
  ranges: z.boolean(),
})

const csvFormat = z.object({ delimiter: z.string(), quote: z.string(), header: z.boolean(), nullText: z.string() })

/** What `describe` found out about the files; rides along with every chunk, so its size does not grow with the number of files. */
const fileDetails = z.object({
  pattern: z.string(),
  hinted: z.boolean(),
  encoding: z.enum(['csv', 'jsonl', 'parquet']),
  compression: z.enum(['none', 'gzip', 'zstd']),
  /** Of the files themselves. */
  csv: csvFormat.optional(),
  textEncoding: z.string(),
  /** Absent when there are too many; then they are listed again and must add up to `digest`. */
  objects: z.array(storedObject).optional(),
  objectCount: z.number(),
  digest: z.string(),
  /** Set to read every file in one piece, whatever chunk size is asked for: the answer to fault `misplaced-cut`. */
  wholeObjects: z.boolean(),
})

export type FileDetails = z.output<typeof fileDetails>

const fileSlice = z.object({
  /** Position of the object in the listing. */
  index: z.number(),
  object: storedObject,
  from: z.number(),
  /** Exclusive; absent: to the end of an object whose size is not known. */
  to: z.number().optional(),
  /** Of bytes that do not begin with the object's header: its columns, in its order. */
  columns: z.array(z.string()).optional(),
})

export type FileSlice = z.output<typeof fileSlice>

export function detailsOf(description: StreamDescription): FileDetails {
  return fileDetails.parse(description.details)
}

export function sliceOf(chunk: Chunk): FileSlice {
  return fileSlice.parse(chunk.slice)
}

/** Values of these types hold only JSON; their optional members make the compiler doubt it. */
export function toJson(value: FileDetails | FileSlice): Json {
  return JSON.parse(JSON.stringify(value)) as Json
}
