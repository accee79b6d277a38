import type { CsvFormat } from '../core/payload.ts'

/** Looks at bytes that pass by, in any pieces, and counts the records in them. */
export interface RecordCounter {
  push(bytes: Uint8Array): void
  /** After the last byte. */
  end(): CountedRecords
}

export interface CountedRecords {
  records: number
  /** Lines without any content; not records. */
  blankLines: number
  /** The bytes ended inside a quoted field. */
  insideQuotes: boolean
}

const LF = 10

/** One record per line that holds more than white space. A line break inside a JSON string is always escaped. */
export function countJsonLines(): RecordCounter {
  let records = 0
  let blankLines = 0
  let content = false
  let started = false
  const finishLine = () => {
    if (content) records++
    else blankLines++
    content = false
    started = false
  }
  return {
    push(bytes) {
      let at = 0
      while (at < bytes.length) {
        const newline = bytes.indexOf(LF, at)
        const end = newline < 0 ? bytes.length : newline
        // The first byte of a record is never a blank in practice, so this looks at one byte per line.
        for (let index = at; !content && index < end; index++) content = (bytes[index] as number) > 32
        started ||= end > at
        if (newline >= 0) finishLine()
        at = end + 1
      }
    },
    end() {
      if (started) finishLine()
      return { records, blankLines, insideQuotes: false }
    },
  }
}

// States of the CSV automaton. A quote opens a field only at its start; anywhere else in an unquoted field it is text.
const RECORD_START = 0
const FIELD_START = 1
const UNQUOTED = 2
const QUOTED = 3
const QUOTE_SEEN = 4
const BLANK_CR = 5
const RECORD_ENDS = 8
const BLANK_ENDS = 16

// Classes of bytes: text, quote, delimiter, LF, CR.
const TRANSITIONS: readonly (readonly number[])[] = [
  [UNQUOTED, QUOTED, FIELD_START, RECORD_START | BLANK_ENDS, BLANK_CR],
  [UNQUOTED, QUOTED, FIELD_START, RECORD_START | RECORD_ENDS, UNQUOTED],
  [UNQUOTED, UNQUOTED, FIELD_START, RECORD_START | RECORD_ENDS, UNQUOTED],
  [QUOTED, QUOTE_SEEN, QUOTED, QUOTED, QUOTED],
  [UNQUOTED, QUOTED, FIELD_START, RECORD_START | RECORD_ENDS, QUOTE_SEEN],
  [UNQUOTED, UNQUOTED, FIELD_START, RECORD_START | BLANK_ENDS, UNQUOTED],
]

/** One record per line break outside quotes; the bytes must start at the start of a record, without a header. */
export function countCsvRecords(format: Pick<CsvFormat, 'delimiter' | 'quote'>): RecordCounter {
  const quote = format.quote === '' ? -1 : format.quote.charCodeAt(0)
  const delimiter = format.delimiter.charCodeAt(0)
  const classes = new Uint8Array(256)
  classes[delimiter] = 2
  classes[LF] = 3
  classes[13] = 4
  if (quote >= 0) classes[quote] = 1
  const table = new Uint8Array(64)
  TRANSITIONS.forEach((row, state) => {
    row.forEach((next, kind) => {
      table[(state << 3) | kind] = next
    })
  })
  let state = RECORD_START
  let records = 0
  let blankLines = 0

  const step = (bytes: Uint8Array, from: number, to: number) => {
    let current = state
    let ended = 0
    let blank = 0
    for (let index = from; index < to; index++) {
      const next = table[(current << 3) | (classes[bytes[index] as number] as number)] as number
      ended += (next >> 3) & 1
      blank += next >> 4
      current = next & 7
    }
    state = current
    records += ended
    blankLines += blank
  }

  /** Without a quote in sight only line breaks matter. */
  const skipLines = (bytes: Uint8Array) => {
    let at = 0
    for (;;) {
      const newline = bytes.indexOf(LF, at)
      if (newline < 0) break
      if (newline - at < 2) step(bytes, at, newline + 1)
      else {
        records++
        state = RECORD_START
      }
      at = newline + 1
    }
    step(bytes, at, bytes.length)
  }

  return {
    push(bytes) {
      if (quote >= 0 && (state === QUOTED || state === QUOTE_SEEN || bytes.indexOf(quote) >= 0)) step(bytes, 0, bytes.length)
      else skipLines(bytes)
    },
    end() {
      if (state === BLANK_CR) blankLines++
      else if (state !== RECORD_START) records++
      return { records, blankLines, insideQuotes: state === QUOTED }
    },
  }
}
