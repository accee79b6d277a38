import type { CsvFormat } from '../core/payload.ts'
import { badData } from './bad-data.ts'

/** A record longer than this is taken for a quote that was never closed. */
export const RECORD_MAX_CHARS = 16 * 1024 * 1024

const LF = 10
const CR = 13

/**
 * Cuts CSV text (RFC 4180, any delimiter) into records, wherever the pieces of text end. Strict: a quote opens a field
 * only at its start, nothing but a delimiter or line end may follow the closing quote, and the text may not end inside
 * quotes. Lines without any content are no records. What an unquoted field means is up to `unquoted`, because only here
 * is it known that it was not quoted.
 */
export class CsvRecords<T> {
  /** Records handed out so far. */
  count = 0
  private buffer = ''
  /** Start of the current record, and how far it was looked at. */
  private start = 0
  private at = 0
  private fields: T[] | undefined
  private fieldStart = 0
  private state: 'field' | 'unquoted' | 'quoted' | 'after-quote' = 'field'
  private escapes = false
  private readonly delimiter: string
  private readonly delimiterCode: number
  private readonly quote: string
  private readonly quoteCode: number
  private readonly unquoted: (text: string) => T
  private readonly quoted: (text: string) => T
  /** Records at the start that are no data; faults count from behind them. */
  private readonly headerRecords: number

  constructor(
    format: Pick<CsvFormat, 'delimiter' | 'quote'>,
    unquoted: (text: string) => T,
    quoted: (text: string) => T,
    headerRecords = 0,
  ) {
    this.headerRecords = headerRecords
    this.delimiter = format.delimiter
    this.delimiterCode = format.delimiter.charCodeAt(0)
    this.quote = format.quote
    this.quoteCode = format.quote === '' ? -1 : format.quote.charCodeAt(0)
    this.unquoted = unquoted
    this.quoted = quoted
  }

  *push(text: string): Generator<T[]> {
    this.drop()
    this.buffer += text
    yield* this.run(false)
    if (this.buffer.length - this.start > RECORD_MAX_CHARS) {
      throw badData(
        `A record is longer than ${RECORD_MAX_CHARS} characters`,
        'Look for a quote that is never closed, or state the right quote character.',
        { record: this.count + 1 - this.headerRecords },
      )
    }
  }

  *end(): Generator<T[]> {
    yield* this.run(true)
    if (this.start < this.buffer.length) {
      throw badData(
        'The file ends inside a quoted field',
        'Look for a quote that is never closed; the file may also have been cut short.',
        {
          record: this.count + 1 - this.headerRecords,
        },
      )
    }
  }

  private *run(final: boolean): Generator<T[]> {
    let nextQuote = this.quoteCode < 0 ? -1 : this.buffer.indexOf(this.quote, this.at)
    while (this.start < this.buffer.length) {
      if (this.fields === undefined) {
        const newline = this.buffer.indexOf('\n', this.at)
        if (newline < 0 && !final && nextQuote < 0) {
          this.at = this.buffer.length
          return
        }
        if (nextQuote >= 0 && nextQuote < this.start) nextQuote = this.buffer.indexOf(this.quote, this.start)
        const end = newline < 0 ? this.buffer.length : newline
        if (nextQuote < 0 || nextQuote > end) {
          if (newline < 0 && !final) return
          const record = this.plainRecord(end)
          this.next(newline < 0 ? end : newline + 1)
          if (record) yield record
          continue
        }
        this.fields = []
        this.at = this.start
        this.fieldStart = this.start
        this.state = 'field'
      }
      const record = this.quotedRecord(final)
      if (record === undefined) return
      if (record.length > 0) {
        this.count++
        yield record
      }
    }
  }

  /** A line without quotes. */
  private plainRecord(end: number): T[] | undefined {
    const stop = end > this.start && this.buffer.charCodeAt(end - 1) === CR ? end - 1 : end
    if (stop === this.start) return undefined
    const texts = this.buffer.slice(this.start, stop).split(this.delimiter)
    const record: T[] = new Array(texts.length)
    for (let index = 0; index < texts.length; index++) record[index] = this.unquoted(texts[index] as string)
    this.count++
    return record
  }

  /** Goes on with a record that holds quotes. Undefined: more text is needed. Empty: a blank line. */
  private quotedRecord(final: boolean): T[] | undefined {
    const { buffer } = this
    const fields = this.fields as T[]
    for (;;) {
      if (this.at >= buffer.length) {
        if (!final || this.state === 'quoted') return undefined
        return this.finish(fields, buffer.length, buffer.length)
      }
      const code = buffer.charCodeAt(this.at)
      switch (this.state) {
        case 'field':
          if (code === this.quoteCode) {
            this.state = 'quoted'
            this.fieldStart = ++this.at
            this.escapes = false
            break
          }
          this.state = 'unquoted'
          this.fieldStart = this.at
          break
        case 'unquoted':
          if (code === this.delimiterCode) {
            fields.push(this.unquoted(buffer.slice(this.fieldStart, this.at)))
            this.state = 'field'
            this.fieldStart = ++this.at
          } else if (code === LF) return this.finish(fields, this.at, this.at + 1)
          else this.at++
          break
        case 'quoted': {
          const close = buffer.indexOf(this.quote, this.at)
          if (close < 0) {
            this.at = buffer.length
            return undefined
          }
          if (close + 1 >= buffer.length && !final) {
            this.at = close
            return undefined
          }
          if (buffer.charCodeAt(close + 1) === this.quoteCode) {
            this.escapes = true
            this.at = close + 2
            break
          }
          const text = buffer.slice(this.fieldStart, close)
          fields.push(this.quoted(this.escapes ? text.replaceAll(this.quote + this.quote, this.quote) : text))
          this.state = 'after-quote'
          this.at = close + 1
          break
        }
        case 'after-quote':
          if (code === this.delimiterCode) {
            this.state = 'field'
            this.fieldStart = ++this.at
          } else if (code === LF) return this.finish(fields, this.at, this.at + 1)
          else if (code === CR && (this.at + 1 >= buffer.length || buffer.charCodeAt(this.at + 1) === LF)) this.at++
          else {
            throw badData(
              'Text follows a closing quote',
              'Double every quote inside a quoted field, or state the right quote character and delimiter.',
              {
                record: this.count + 1 - this.headerRecords,
              },
            )
          }
      }
    }
  }

  private finish(fields: T[], end: number, next: number): T[] {
    if (this.state !== 'after-quote') {
      const stop = end > this.fieldStart && this.buffer.charCodeAt(end - 1) === CR ? end - 1 : end
      fields.push(this.unquoted(this.buffer.slice(this.fieldStart, stop)))
    }
    this.next(next)
    return fields
  }

  private next(start: number): void {
    this.start = start
    this.at = start
    this.fields = undefined
  }

  /** Forgets text that was handed out. */
  private drop(): void {
    if (this.start === 0) return
    this.buffer = this.buffer.slice(this.start)
    this.at -= this.start
    this.fieldStart -= this.start
    this.start = 0
  }
}
