import type { Chunk, ReadRequest, StreamDescription } from '../../core/chunk.ts'
import type { Io, Source } from '../../core/connector.ts'
import type { Place } from '../../core/errors.ts'
import type { ByteFormat, Lane, Payload } from '../../core/payload.ts'
import { OBJECTS_IN_DESCRIPTION_MAX } from '../../limits.ts'
import { describeParquet } from './describe-parquet.ts'
import { type DescribedText, describeCsv, describeJsonl } from './describe-text.ts'
import { placed, unsupported, withPlace } from './faults.ts'
import { detailsOf, type FileDetails, sliceOf, toJson } from './file-details.ts'
import { type FileFormat, formatOfFiles, splitHint } from './file-format.ts'
import type { FileOptions } from './file-options.ts'
import { digestOf, listObjects } from './list-objects.ts'
import type { ObjectStore, StoredObject } from './object-store.ts'
import { planFiles } from './plan-files.ts'
import { readBytes } from './read-bytes.ts'
import { readRecords } from './read-records.ts'

/** Files of any object store as a source of tables. See README.md. */
export class FileSource implements Source {
  private readonly store: ObjectStore
  private readonly options: FileOptions
  private readonly io: Io

  constructor(store: ObjectStore, options: FileOptions, io: Io) {
    this.store = store
    this.options = options
    this.io = io
  }

  async check(): Promise<void> {
    await this.store.check()
  }

  async describe(request: ReadRequest): Promise<StreamDescription> {
    const place = this.place(request.stream)
    if (request.cursor) {
      throw unsupported(
        'Files cannot be read from a cursor on',
        { ...place, column: request.cursor.column },
        'Leave the incremental key out, or name only the new files by a pattern.',
      )
    }
    const { pattern, hint } = splitHint(request.stream)
    const objects = await listObjects(this.store, pattern, hint !== undefined, place)
    const format = formatOfFiles(
      objects.map((object) => object.key),
      hint,
      place,
    )
    return await withPlace(place, () =>
      this.describeObjects(request.stream, { pattern, hinted: hint !== undefined }, format, objects, place),
    )
  }

  plan(description: StreamDescription, targetChunkBytes: number, after?: Chunk): AsyncIterable<Chunk> {
    return planFiles(this.store, detailsOf(description), targetChunkBytes, after, this.io, this.place(description.stream))
  }

  async read(description: StreamDescription, chunk: Chunk, lane: Lane): Promise<Payload> {
    const slice = sliceOf(chunk)
    const place = this.place(slice.from > 0 ? `${slice.object.key} from byte ${slice.from}` : slice.object.key)
    const read = { store: this.store, details: detailsOf(description), slice, schema: description.schema, io: this.io, place }
    try {
      return lane.via === 'bytes' ? await readBytes(read, lane.format) : await readRecords(read)
    } catch (error) {
      throw placed(error, place)
    }
  }

  async close(): Promise<void> {}

  private async describeObjects(
    stream: string,
    named: { pattern: string; hinted: boolean },
    format: FileFormat,
    objects: StoredObject[],
    place: Place,
  ): Promise<StreamDescription> {
    const bytes = objects.every((object) => object.size !== undefined)
      ? objects.reduce((sum, object) => sum + (object.size ?? 0), 0)
      : undefined
    const found = await this.contents(format, objects, place)
    const { encoding, compression } = format
    const details: FileDetails = {
      ...named,
      encoding,
      compression,
      csv: found.csv,
      textEncoding: found.textEncoding,
      objects: objects.length <= OBJECTS_IN_DESCRIPTION_MAX ? objects : undefined,
      objectCount: objects.length,
      digest: digestOf(objects),
      wholeObjects: false,
    }
    return {
      stream,
      defaultTable: stream,
      schema: { fields: found.fields },
      key: [],
      emits: lanes(format, found),
      rulesApplied: false,
      ...(found.rows !== undefined && { estimatedRows: found.rows }),
      ...(bytes !== undefined && { estimatedBytes: bytes }),
      consistency: 'object',
      notes: [...(objects.length > 1 ? [`${objects.length} files`] : []), ...found.notes],
      details: toJson(details),
    }
  }

  private async contents(format: FileFormat, objects: StoredObject[], place: Place): Promise<DescribedText & { rows?: number }> {
    if (format.encoding === 'parquet') {
      const { rows, ...described } = await describeParquet(this.store, objects, this.io, place)
      return { ...described, textEncoding: 'utf-8', renamed: false, rows }
    }
    const files = { store: this.store, objects, format, options: this.options, io: this.io, place }
    return await (format.encoding === 'csv' ? describeCsv(files) : describeJsonl(files))
  }

  private place(resource: string): Place {
    return { side: 'source', system: this.store.system, address: this.store.address, resource }
  }
}

/** Passing the bytes on costs nothing; decoding always works. Compressed CSV keeps its own header, so that must bind by itself. */
function lanes({ encoding, compression }: FileFormat, found: DescribedText): Lane[] {
  const records: Lane = { via: 'records' }
  if (found.decodeOnly || (compression !== 'none' && found.renamed)) return [records]
  const csv = found.csv && { ...found.csv, header: true }
  const format: ByteFormat = { encoding, compression, ...(csv && { csv }) }
  return [{ via: 'bytes', format }, records]
}
