import { badData } from '../../codecs/bad-data.ts'
import { openParquet, type ParquetFile, type RangedFile } from '../../codecs/decode-parquet.ts'
import type { Io } from '../../core/connector.ts'
import type { Place } from '../../core/errors.ts'
import { type DataType, type Field, type Schema, typeName } from '../../core/schema.ts'
import { unsupported, withPlace } from './faults.ts'
import { readRange } from './guarded-body.ts'
import { mapBounded, spread } from './list-objects.ts'
import type { ObjectStore, StoredObject } from './object-store.ts'

/** Without ranges a file must fit in memory. */
const WHOLE_FILE_MAX_BYTES = 32 * 1024 * 1024
/** Footers read to describe a load; beyond that the number of rows is estimated from these. */
const DESCRIBED_FILES = 32

export interface DescribedParquet {
  fields: Field[]
  rows: number
  decodeOnly: boolean
  notes: string[]
}

/** The file as the reader wants it: by ranges where the store has them. */
export async function parquetBuffer(store: ObjectStore, object: StoredObject, io: Io, place: Place): Promise<RangedFile> {
  const { size } = object
  if (size !== undefined && object.ranges) {
    return { byteLength: size, slice: async (from, to = size) => (await readRange(store, object, { from, to }, io)).buffer }
  }
  if (size === undefined || size > WHOLE_FILE_MAX_BYTES) {
    throw unsupported(
      'A Parquet file is read by byte ranges, which this server does not offer',
      place,
      'Serve the file from a server that answers range requests, such as S3.',
    )
  }
  const whole = await readRange(store, object, undefined, io)
  return { byteLength: whole.byteLength, slice: async (from, to) => whole.buffer.slice(from, to) }
}

export async function describeParquet(store: ObjectStore, objects: StoredObject[], io: Io, place: Place): Promise<DescribedParquet> {
  const chosen = spread(objects, DESCRIBED_FILES)
  const files = await mapBounded(chosen, (object) =>
    withPlace({ ...place, resource: object.key }, async () =>
      openParquet(await parquetBuffer(store, object, io, { ...place, resource: object.key })),
    ),
  )
  const fields = new Map<string, Field>()
  files.forEach((file, index) => {
    for (const { field } of file.columns) {
      const known = fields.get(field.name)
      if (!known) fields.set(field.name, { ...field, nullable: field.nullable || index > 0 })
      else {
        const type = commonType(known.type, field.type)
        if (!type) {
          throw badData(
            `Column "${field.name}" is ${typeName(known.type)} in "${chosen[0]?.key}" and ${typeName(field.type)} in "${chosen[index]?.key}"`,
            'Load files of different schemas one by one, or rewrite them with one schema.',
            { column: field.name },
          )
        }
        fields.set(field.name, { ...known, type, nullable: known.nullable || field.nullable })
      }
    }
    for (const field of fields.values()) {
      if (!file.columns.some((column) => column.field.name === field.name)) field.nullable = true
    }
  })
  const rows = files.reduce((sum, file) => sum + file.rows, 0)
  const decodeOnly = files.some((file) => file.columns.some((column) => !column.passable)) || files.some((file) => repeats(file))
  const notes =
    chosen.length < objects.length
      ? [`schema taken from ${chosen.length} of ${objects.length} files; the number of rows is estimated from them`]
      : []
  return { fields: [...fields.values()], rows: Math.round((rows * objects.length) / chosen.length), decodeOnly, notes }
}

/** @throws IngestError `bad-data` when a file that was not looked at before does not fit the described columns */
export function checkParquet(file: ParquetFile, schema: Schema): void {
  const known = new Map(schema.fields.map((field) => [field.name, field]))
  for (const { field } of file.columns) {
    const described = known.get(field.name)
    const common = described && commonType(described.type, field.type)
    if (!described || !common || typeName(common) !== typeName(described.type)) {
      throw badData(
        described
          ? `Column "${field.name}" is ${typeName(field.type)} here and ${typeName(described.type)} in the other files`
          : `Column "${field.name}" is not in the other files`,
        'Load files of different schemas one by one, or rewrite them with one schema.',
        { column: field.name },
      )
    }
  }
}

/** Names that differ only by a repetition cannot be bound. */
function repeats(file: ParquetFile): boolean {
  return new Set(file.columns.map((column) => column.field.name)).size < file.columns.length
}

function commonType(a: DataType, b: DataType): DataType | undefined {
  if (typeName(a) === typeName(b)) return a
  if (a.kind === 'int' && b.kind === 'int' && a.signed === b.signed) return a.bits >= b.bits ? a : b
  if (a.kind === 'float' && b.kind === 'float') return a.bits >= b.bits ? a : b
  return undefined
}
