import type { CsvFormat } from '../core/payload.ts'
import { badData } from './bad-data.ts'
import { columnNames } from './column-names.ts'
import { CsvRecords } from './csv-records.ts'
import { decodeStrictly } from './decode-text.ts'
import { TypeGuess } from './infer.ts'

/** What the user said about the files; anything absent is inferred. */
export interface CsvHints {
  delimiter?: string
  quote?: string
  header?: boolean
  nullText?: string
  encoding?: string
}

export interface CsvDialect {
  format: CsvFormat
  encoding: string
  /** In the order of the file, renamed where names were empty or repeated. */
  columns: string[]
  /** Where the first data record begins, in bytes; absent for encodings that are not read bytewise. */
  dataStart: number | undefined
  notes: string[]
}

const DELIMITERS = [',', ';', '\t', '|']
/** Tokens that stand for null in files of Postgres, MySQL and Hive, beside the empty field. */
const NULL_TOKENS = ['\\N', 'NULL']
const SNIFFED_RECORDS = 1000
const GUESS_CHARS = 64 * 1024

interface Cell {
  text: string
  quoted: boolean
}

/** Finds delimiter, encoding, header and null token in the first bytes of a file. `whole`: there are no more bytes. */
export function inferCsv(sample: Uint8Array, whole: boolean, hints: CsvHints): CsvDialect {
  const notes: string[] = []
  const { encoding, bom } = findEncoding(sample, hints)
  if (encoding !== 'utf-8') notes.push(`encoding ${encoding}${hints.encoding ? '' : ' by its byte order mark'}`)
  const text = decodeSample(sample, whole, encoding)
  if (text.trim() === '') {
    throw badData('The file is empty: it has not even a header', 'Give the file a header line, or leave empty files out of the pattern.')
  }
  if (!text.includes('\n') && /\r[^\n]/.test(text)) {
    throw badData('The lines end with a lone carriage return', 'Write the file with line ends LF or CRLF.')
  }
  const quote = hints.quote ?? '"'
  const delimiter = hints.delimiter ?? guessDelimiter(text, quote)
  if (hints.delimiter === undefined) notes.push(`delimiter ${named(delimiter)} inferred`)
  const records = sampleRecords(text, whole, { delimiter, quote })
  const first = records[0]
  if (!first) {
    throw badData(`No record ends within the first ${sample.length} bytes`, 'State the delimiter and quote character of the file.')
  }
  const header = hints.header ?? looksLikeHeader(first, records.slice(1))
  if (hints.header === undefined && !header) notes.push('no header: the first record looks like data')
  const { names, renamed } = columnNames(header ? first.map((cell) => cell.text) : first.map(() => ''))
  if (header) notes.push(...renamed)
  const data = header ? records.slice(1) : records
  const nullText = hints.nullText ?? guessNullText(data)
  if (hints.nullText === undefined && nullText !== '') notes.push(`unquoted ${nullText} inferred to mean null`)
  const headerText = header ? recordText(text, { delimiter, quote }) : ''
  return {
    format: { delimiter, quote, header, nullText },
    encoding,
    columns: names,
    dataStart: encoding === 'utf-8' ? bom + new TextEncoder().encode(headerText).length : undefined,
    notes,
  }
}

/** The fields of the first record; undefined when the text does not hold all of it. */
export function firstRecord(text: string, whole: boolean, format: Pick<CsvFormat, 'delimiter' | 'quote'>): string[] | undefined {
  const same = (value: string) => value
  const records = new CsvRecords<string>(format, same, same)
  for (const record of records.push(text)) return record
  if (whole) for (const record of records.end()) return record
  return undefined
}

/** One guess per column, fed from any stretches of any files of one dialect. */
export class CsvColumns {
  readonly guesses: TypeGuess[]
  private readonly format: CsvFormat

  constructor(format: CsvFormat, width: number) {
    this.format = format
    this.guesses = Array.from({ length: width }, () => new TypeGuess())
  }

  /**
   * Takes text that begins at a record, in pieces. `order`: which guess each column of the record feeds. `skip`: how many
   * records at the start are no data. Without `end` a record that the text cuts off is left out.
   */
  feeder(order: readonly number[], skip: number): { push(text: string): void; end(): void } {
    const { nullText } = this.format
    const records = new CsvRecords<string | null>(
      this.format,
      (text) => (text === nullText ? null : text),
      (text) => text,
    )
    let left = skip
    const take = (record: (string | null)[]) => {
      if (left > 0) {
        left--
        return
      }
      if (record.length !== order.length) {
        throw badData(
          `The record has ${record.length} fields where ${order.length} are expected`,
          'Quote fields that hold the delimiter, and check the delimiter and quote character.',
          { record: records.count - skip },
        )
      }
      record.forEach((value, index) => {
        if (value !== null) this.guesses[order[index] as number]?.text(value)
      })
    }
    return {
      push: (text) => {
        for (const record of records.push(text)) take(record)
      },
      end: () => {
        for (const record of records.end()) take(record)
      },
    }
  }
}

function findEncoding(sample: Uint8Array, hints: CsvHints): { encoding: string; bom: number } {
  const [a, b, c] = sample
  if (a === 0xef && b === 0xbb && c === 0xbf) return { encoding: hints.encoding ?? 'utf-8', bom: 3 }
  if (hints.encoding) return { encoding: hints.encoding.toLowerCase(), bom: 0 }
  if (a === 0xff && b === 0xfe) return { encoding: 'utf-16le', bom: 2 }
  if (a === 0xfe && b === 0xff) return { encoding: 'utf-16be', bom: 2 }
  const head = sample.subarray(0, 64)
  if (head.length > 3 && head.filter((byte) => byte === 0).length > head.length / 4) {
    throw badData(
      'The text looks like UTF-16 without a byte order mark, or like no text at all',
      'Write the file as UTF-8, or name its encoding (`encoding=utf-16le`).',
    )
  }
  return { encoding: 'utf-8', bom: 0 }
}

function decodeSample(sample: Uint8Array, whole: boolean, encoding: string): string {
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: false })
  const text = decodeStrictly(decoder, encoding, sample)
  return whole ? text + decodeStrictly(decoder, encoding) : text
}

/** The delimiter that gives most records the width of the first one; of equally good ones that of more columns. */
function guessDelimiter(text: string, quote: string): string {
  let best = { delimiter: ',', share: 0, width: 0 }
  for (const delimiter of DELIMITERS) {
    let widths: number[]
    try {
      widths = sampleRecords(text.slice(0, GUESS_CHARS), text.length <= GUESS_CHARS, { delimiter, quote }).map((record) => record.length)
    } catch {
      // With this delimiter the quotes make no sense.
      continue
    }
    const width = widths[0] ?? 0
    const share = widths.filter((one) => one === width).length / widths.length
    if (width > 1 && (share > best.share || (share === best.share && width > best.width))) best = { delimiter, share, width }
  }
  return best.delimiter
}

function sampleRecords(text: string, whole: boolean, format: Pick<CsvFormat, 'delimiter' | 'quote'>): Cell[][] {
  const records = new CsvRecords<Cell>(
    format,
    (value) => ({ text: value, quoted: false }),
    (value) => ({ text: value, quoted: true }),
  )
  const found: Cell[][] = []
  for (const record of records.push(text)) {
    found.push(record)
    if (found.length === SNIFFED_RECORDS) return found
  }
  if (whole) for (const record of records.end()) found.push(record)
  return found
}

/** The text up to and with the line end of the first record, blank lines before it included. */
function recordText(text: string, format: Pick<CsvFormat, 'delimiter' | 'quote'>): string {
  const blank = /^(?:\r?\n)*/.exec(text)?.[0].length ?? 0
  const { quote, delimiter } = format
  let inQuotes = false
  let fieldStart = true
  for (let at = blank; at < text.length; at++) {
    const character = text[at]
    if (inQuotes) {
      if (character === quote) {
        if (text[at + 1] === quote) at++
        else inQuotes = false
      }
      continue
    }
    if (character === '\n') return text.slice(0, at + 1)
    if (fieldStart && quote !== '' && character === quote) inQuotes = true
    fieldStart = character === delimiter
  }
  return text
}

/**
 * A header unless the first record has a number, date or boolean where the column goes on in the same kind, and no
 * column that is text only in its first record.
 */
function looksLikeHeader(first: Cell[], rest: Cell[][]): boolean {
  let dataLike = 0
  for (const [index, cell] of first.entries()) {
    const below = new TypeGuess()
    for (const record of rest) {
      const value = record[index]
      if (value !== undefined && value.text !== '') below.text(value.text)
    }
    const above = new TypeGuess()
    if (cell.text !== '') above.text(cell.text)
    const headKind = above.count > 0 ? above.type().kind : 'string'
    if (headKind === 'string') {
      if (below.count > 0 && below.type().kind !== 'string') return true
    } else if (below.count === 0 || below.type().kind === headKind) dataLike++
  }
  return dataLike === 0
}

/**
 * The empty field, unless another token is used where nothing else keeps a column from being numbers, dates or
 * booleans (`NULL`), or anywhere (`\N`, which nobody writes by chance).
 */
function guessNullText(records: Cell[][]): string {
  for (const token of NULL_TOKENS) {
    const columns = new Set<number>()
    let empties = false
    for (const record of records) {
      record.forEach((cell, index) => {
        if (!cell.quoted && cell.text === token) columns.add(index)
      })
    }
    if (columns.size === 0) continue
    const guesses = new Map([...columns].map((index) => [index, new TypeGuess()]))
    for (const record of records) {
      for (const [index, guess] of guesses) {
        const cell = record[index]
        if (cell && !cell.quoted && cell.text === '') empties = true
        else if (cell && (cell.quoted || cell.text !== token)) guess.text(cell.text)
      }
    }
    const typed = [...guesses.values()].some((guess) => guess.count > 0 && guess.type().kind !== 'string')
    if (token === '\\N' || (typed && !empties)) return token
  }
  return ''
}

function named(delimiter: string): string {
  return delimiter === '\t' ? 'tab' : delimiter
}
