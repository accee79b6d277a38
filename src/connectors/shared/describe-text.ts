import { badData } from '../../codecs/bad-data.ts'
import { columnNames } from '../../codecs/column-names.ts'
import { findCsvCut } from '../../codecs/csv-cut.ts'
import { positions } from '../../codecs/decode-csv.ts'
import { jsonLines } from '../../codecs/decode-jsonl.ts'
import { decodeText } from '../../codecs/decode-text.ts'
import { decompress } from '../../codecs/decompress.ts'
import { CsvColumns, type CsvDialect, firstRecord, inferCsv } from '../../codecs/infer-csv.ts'
import { JsonColumns } from '../../codecs/infer-jsonl.ts'
import type { Io } from '../../core/connector.ts'
import type { Place } from '../../core/errors.ts'
import type { CsvFormat } from '../../core/payload.ts'
import type { DataType, Field } from '../../core/schema.ts'
import { FILE_FULL_SCAN_BYTES, FILE_SAMPLE_BYTES, FILE_WINDOW_BYTES, FILE_WINDOWS } from '../../limits.ts'
import { withPlace } from './faults.ts'
import type { FileFormat } from './file-format.ts'
import type { FileOptions } from './file-options.ts'
import { GuardedBody, readRange } from './guarded-body.ts'
import { mapBounded, spread } from './list-objects.ts'
import type { ObjectStore, StoredObject } from './object-store.ts'

export interface TextFiles {
  store: ObjectStore
  objects: StoredObject[]
  format: FileFormat
  options: FileOptions
  io: Io
  place: Place
}

export interface DescribedText {
  fields: Field[]
  csv?: CsvFormat
  textEncoding: string
  /** Names differ from those in the files, so that the files cannot be passed on with their own header. */
  renamed: boolean
  /** Only decoding gives the right values. */
  decodeOnly: boolean
  notes: string[]
}

/** Files of one load that are sampled for types. */
const SAMPLED_OBJECTS = 5

export async function describeCsv(files: TextFiles): Promise<DescribedText> {
  const { format, options } = files
  const [first] = files.objects as [StoredObject]
  const place = (object: StoredObject) => ({ ...files.place, resource: object.key })
  const dialect = await withPlace(place(first), async () => {
    const head = await plainHead(files, first, FILE_SAMPLE_BYTES)
    return inferCsv(head.bytes, head.whole, {
      ...options,
      delimiter: options.delimiter ?? format.delimiter,
      header: options.header ?? format.header,
    })
  })
  const notes = [...dialect.notes]
  const names = dialect.columns
  const stated = { fields: names.map((name): Field => ({ name, type: { kind: 'string' }, nullable: true })) }
  const columns = new CsvColumns(dialect.format, names.length)
  const everything = scansAll(files)
  const feed = async (pieces: AsyncIterable<Uint8Array>, whole: boolean) => {
    let feeder: ReturnType<CsvColumns['feeder']> | undefined
    let held = ''
    const start = (ended: boolean) => {
      const order = orderOf(held, ended, dialect, stated)
      return order && columns.feeder(order, dialect.format.header ? 1 : 0)
    }
    for await (const text of decodeText(whole ? pieces : cutAtCharacter(pieces), dialect.encoding)) {
      held += text
      feeder ??= start(false)
      feeder?.push(held)
      if (feeder) held = ''
    }
    if (!feeder) {
      feeder = start(whole)
      if (!feeder) throw badData('The file is empty: it has not even a header', 'Leave empty files out of the pattern.')
      feeder.push(held)
    }
    if (whole) feeder.end()
  }
  if (options.infer !== 'text') {
    if (everything) {
      for (const object of files.objects) await withPlace(place(object), async () => feed(await plainBody(files, object), true))
      notes.push('types inferred from all records')
    } else {
      await mapBounded(spread(files.objects, SAMPLED_OBJECTS), (object) =>
        withPlace(place(object), async () => {
          const head = await plainHead(files, object, object === first ? FILE_SAMPLE_BYTES : FILE_WINDOW_BYTES)
          await feed(once(head.bytes), head.whole)
          if (dialect.encoding !== 'utf-8') return
          for (const window of await windowsOf(files, object)) {
            const cut = findCsvCut(window.subarray(1), window[0] as number, names.length, dialect.format)
            if (cut === undefined) continue
            const order = orderOf(new TextDecoder().decode(head.bytes), head.whole, dialect, stated)
            const feeder = columns.feeder(order ?? [], 0)
            for await (const text of decodeText(cutAtCharacter(once(window.subarray(1 + cut))), 'utf-8')) feeder.push(text)
          }
        }),
      )
      notes.push(sampledNote(files))
    }
  }
  const fields = names.map((name, index): Field => ({ name, type: chosen(options, name, columns.guesses[index]?.type()), nullable: true }))
  for (const [index, guess] of columns.guesses.entries()) {
    if (guess.mixed()) notes.push(`"${names[index]}" holds values of several kinds and is read as text`)
  }
  return {
    fields,
    csv: dialect.format,
    textEncoding: dialect.encoding,
    renamed: !dialect.format.header || dialect.notes.some((note) => note.includes(' became ')),
    decodeOnly: dialect.encoding !== 'utf-8',
    notes,
  }
}

export async function describeJsonl(files: TextFiles): Promise<DescribedText> {
  const { options } = files
  const columns = new JsonColumns()
  const place = (object: StoredObject) => ({ ...files.place, resource: object.key })
  const feed = async (pieces: AsyncIterable<Uint8Array>, whole: boolean) => {
    for await (const line of jsonLines(whole ? pieces : cutAtLine(pieces))) columns.line(line)
  }
  const notes: string[] = []
  if (scansAll(files)) {
    for (const object of files.objects) await withPlace(place(object), async () => feed(await plainBody(files, object), true))
    notes.push('columns and types inferred from all records')
  } else {
    for (const object of spread(files.objects, SAMPLED_OBJECTS)) {
      await withPlace(place(object), async () => {
        const head = await plainHead(files, object, object === files.objects[0] ? FILE_SAMPLE_BYTES : FILE_WINDOW_BYTES)
        await feed(once(head.bytes), head.whole)
        for (const window of await windowsOf(files, object)) {
          const newline = window.indexOf(10)
          if (newline >= 0) await feed(once(window.subarray(newline + 1)), false)
        }
      })
    }
    notes.push(sampledNote(files))
  }
  if (columns.guesses.size === 0) {
    throw badData('No record was found, so the columns are not known', 'Leave files without records out of the pattern.', {})
  }
  const fields: Field[] = []
  let decodeOnly = false
  for (const [name, guess] of columns.guesses) {
    const type = options.infer === 'text' && !guess.nested ? { kind: 'string' as const } : chosen(options, name, guess.type())
    if (guess.mixed()) {
      notes.push(`"${name}" holds values of several kinds and is read as ${guess.nested ? 'JSON' : 'text'}`)
      // Passed on unread, text in a JSON column would lose its quotes.
      if (guess.nested) decodeOnly = true
    }
    fields.push({ name, type, nullable: true })
  }
  return { fields, textEncoding: 'utf-8', renamed: false, decodeOnly, notes }
}

/** Which guess each column of this file feeds; the order may be another in each file. Undefined: the header goes on behind the text. */
function orderOf(head: string, whole: boolean, { format }: CsvDialect, stated: { fields: Field[] }): number[] | undefined {
  if (!format.header) return stated.fields.map((_, index) => index)
  const header = firstRecord(head, whole, format)
  return header && positions(stated, columnNames(header).names)
}

function chosen(options: FileOptions, name: string, type: DataType | undefined): DataType {
  return options.infer === 'text' || options.textColumns.includes(name) || !type ? { kind: 'string' } : type
}

function scansAll({ objects, options, format }: TextFiles): boolean {
  if (options.infer === 'full') return true
  const bytes = objects.reduce((sum, object) => sum + (object.size ?? Number.POSITIVE_INFINITY), 0)
  // Compressed text is several times longer than its file.
  return bytes <= (format.compression === 'none' ? FILE_FULL_SCAN_BYTES : FILE_FULL_SCAN_BYTES / 4)
}

function sampledNote({ objects }: TextFiles): string {
  const files = Math.min(objects.length, SAMPLED_OBJECTS)
  return `types inferred from samples of ${files} of ${objects.length} file${objects.length === 1 ? '' : 's'}; \`infer=full\` reads everything first`
}

async function plainBody(files: TextFiles, object: StoredObject): Promise<AsyncIterable<Uint8Array>> {
  return decompress(await GuardedBody.open(files.store, object, undefined, files.io), files.format.compression)
}

/** The first bytes of the text. Of a compressed file as much is fetched as is needed. */
async function plainHead(files: TextFiles, object: StoredObject, limit: number): Promise<{ bytes: Uint8Array; whole: boolean }> {
  const ranged = files.format.compression === 'none' && object.ranges && object.size !== undefined && object.size > limit
  const body = await GuardedBody.open(files.store, object, ranged ? { from: 0, to: limit } : undefined, files.io)
  const pieces: Uint8Array[] = []
  let held = 0
  try {
    for await (const piece of decompress(body, files.format.compression)) {
      pieces.push(piece)
      held += piece.byteLength
      if (held > limit) break
    }
  } finally {
    body.cancel()
  }
  return { bytes: joined(pieces, held).subarray(0, limit), whole: !ranged && held <= limit }
}

/** Stretches further on in a large plain file, its end included; each with the byte in front of it. */
async function windowsOf(files: TextFiles, object: StoredObject): Promise<Uint8Array[]> {
  const { size } = object
  if (files.format.compression !== 'none' || !object.ranges || size === undefined || size < 2 * FILE_SAMPLE_BYTES) return []
  const count = object === files.objects[0] ? FILE_WINDOWS : 1
  const starts = Array.from({ length: count }, (_, index) => Math.floor(((index + 1) * (size - FILE_WINDOW_BYTES)) / count))
  return await mapBounded(starts, (from) =>
    readRange(files.store, object, { from: from - 1, to: Math.min(size, from + FILE_WINDOW_BYTES) }, files.io),
  )
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes
}

/** A stretch may end inside a character of UTF-8; what is left of it is dropped. */
async function* cutAtCharacter(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  for await (const piece of pieces) {
    let end = piece.length
    while (end > 0 && piece.length - end < 4 && ((piece[end - 1] as number) & 0xc0) === 0x80) end--
    yield piece.subarray(0, end > 0 && (piece[end - 1] as number) >= 0xc0 ? end - 1 : piece.length)
  }
}

/** A stretch may end inside a line; what is left of it is dropped. */
async function* cutAtLine(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  for await (const piece of pieces) yield piece.subarray(0, piece.lastIndexOf(10) + 1)
}

function joined(pieces: readonly Uint8Array[], size: number): Uint8Array {
  const all = new Uint8Array(size)
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.byteLength
  }
  return all
}
