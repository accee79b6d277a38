import type { Place } from '../../core/errors.ts'
import type { ByteFormat } from '../../core/payload.ts'
import { unsupported } from './faults.ts'

export interface FileFormat {
  encoding: 'csv' | 'jsonl' | 'parquet'
  compression: ByteFormat['compression']
  /** Stated by suffix or hint, not inferred. */
  delimiter?: string
  header?: false
}

const ENCODINGS: Record<string, Omit<FileFormat, 'compression'>> = {
  csv: { encoding: 'csv' },
  tsv: { encoding: 'csv', delimiter: '\t' },
  jsonl: { encoding: 'jsonl' },
  ndjson: { encoding: 'jsonl' },
  parquet: { encoding: 'parquet' },
}
const COMPRESSIONS: Record<string, ByteFormat['compression']> = { gz: 'gzip', zst: 'zstd' }

export const ACCEPTED_SUFFIXES = '.csv, .tsv, .jsonl, .ndjson, .parquet; text files also with .gz or .zst behind'

/** The format that a name's suffix states, in any case; undefined for another suffix. */
export function formatOfName(name: string): FileFormat | undefined {
  const parts = (name.split('/').at(-1) ?? '').toLowerCase().split('.')
  if (parts.length < 2) return undefined
  const compression = Object.hasOwn(COMPRESSIONS, parts.at(-1) ?? '') ? COMPRESSIONS[parts.pop() ?? ''] : 'none'
  const suffix = parts.length > 1 ? (parts.at(-1) ?? '') : ''
  const format = Object.hasOwn(ENCODINGS, suffix) ? ENCODINGS[suffix] : undefined
  if (!format || (format.encoding === 'parquet' && compression !== 'none')) return undefined
  return { ...format, compression: compression ?? 'none' }
}

/**
 * `dump/export#csv` states the format of files whose names do not: `#csv`, `#csv_headless`, `#tsv`, `#jsonl`, `#ndjson`,
 * `#parquet`. Anything else behind a `#` belongs to the name.
 */
export function splitHint(stream: string): { pattern: string; hint?: Omit<FileFormat, 'compression'> } {
  const parts = /^(.*)#(csv_headless|csv|tsv|jsonl|ndjson|parquet)$/is.exec(stream)
  if (!parts) return { pattern: stream }
  const word = (parts[2] ?? '').toLowerCase()
  const hint = word === 'csv_headless' ? { encoding: 'csv' as const, header: false as const } : ENCODINGS[word]
  return { pattern: parts[1] ?? '', ...(hint && { hint }) }
}

/** One format for all files of a stream. @throws IngestError `unsupported` */
export function formatOfFiles(names: readonly string[], hint: Omit<FileFormat, 'compression'> | undefined, place: Place): FileFormat {
  let first: { name: string; format: FileFormat } | undefined
  for (const name of names) {
    const format = hint ? { ...hint, compression: compressionOf(name) } : formatOfName(name)
    if (!format) {
      throw unsupported(
        'The format of the file is not known by its suffix',
        { ...place, resource: name },
        `Accepted are ${ACCEPTED_SUFFIXES}. A hint behind the name states the format: "${name}#csv".`,
      )
    }
    if (
      first &&
      (first.format.encoding !== format.encoding ||
        first.format.compression !== format.compression ||
        first.format.delimiter !== format.delimiter)
    ) {
      throw unsupported(
        `"${first.name}" and "${name}" have different formats`,
        place,
        'Choose a pattern whose files all have one format, such as "dir/*.csv".',
      )
    }
    first ??= { name, format }
  }
  if (!first) throw new Error('a stream without files')
  return first.format
}

function compressionOf(name: string): ByteFormat['compression'] {
  const suffix = /\.([^./]+)$/.exec(name.toLowerCase())?.[1] ?? ''
  return (Object.hasOwn(COMPRESSIONS, suffix) ? COMPRESSIONS[suffix] : undefined) ?? 'none'
}
