import type { CsvFormat } from '../core/payload.ts'
import { badData } from './bad-data.ts'

const LF = 10
const CR = 13

type Dialect = Pick<CsvFormat, 'delimiter' | 'quote'>

/** Where the first record that is no blank line ends, line end included; undefined when the bytes do not hold its end. */
export function firstRecordEnd(bytes: Uint8Array, format: Dialect): number | undefined {
  let at = 0
  while (bytes[at] === LF || (bytes[at] === CR && bytes[at + 1] === LF)) at += bytes[at] === LF ? 1 : 2
  const { firstEnd } = probe(bytes.subarray(at), 'record', 0, format, true)
  return firstEnd === undefined ? undefined : at + firstEnd
}

/**
 * A place to cut CSV: the start of the first record that begins in the window, or undefined when the window does not
 * tell. Nobody knows whether a window begins inside quotes, so both readings are tried; the one whose records have the
 * right number of fields and proper quotes wins, but only when the other fails. `before` is the byte in front of the
 * window. The answer can still be wrong; whoever reads the chunk in front of the cut notices (`insideQuotes`).
 */
export function findCsvCut(window: Uint8Array, before: number, width: number, format: Dialect): number | undefined {
  const delimiter = format.delimiter.charCodeAt(0)
  const outside = probe(window, before === LF ? 'record' : before === delimiter ? 'field' : 'unquoted', width, format, false)
  if (format.quote === '') return outside.fits ? outside.firstEnd : undefined
  const inside = probe(window, 'quoted', width, format, false)
  const outsideHolds = outside.fits && outside.records > 0
  const insideHolds = inside.fits && inside.records > 0
  if (outsideHolds === insideHolds) return undefined
  return outsideHolds ? outside.firstEnd : inside.firstEnd
}

interface Probe {
  fits: boolean
  /** Complete records behind the first record end. */
  records: number
  firstEnd: number | undefined
}

type Start = 'record' | 'field' | 'unquoted' | 'quoted'

function probe(bytes: Uint8Array, start: Start, width: number, format: Dialect, firstOnly: boolean): Probe {
  const quote = format.quote === '' ? -1 : format.quote.charCodeAt(0)
  const delimiter = format.delimiter.charCodeAt(0)
  let state: Start | 'after-quote' = start === 'record' ? 'field' : start
  let fields = 1
  let records = 0
  let firstEnd: number | undefined
  let lineStart = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (state === 'quoted') {
      if (byte === quote) state = 'after-quote'
      continue
    }
    if (byte === delimiter) {
      fields++
      state = 'field'
    } else if (byte === LF) {
      const blank = at === lineStart || (at === lineStart + 1 && bytes[lineStart] === CR)
      if (firstEnd === undefined) {
        firstEnd = at + 1
        if (firstOnly) break
      } else if (!blank) {
        if (fields !== width) return { fits: false, records, firstEnd }
        records++
      }
      fields = 1
      state = 'field'
      lineStart = at + 1
    } else if (byte === quote) {
      if (state === 'field') state = 'quoted'
      else if (state === 'after-quote') state = 'quoted'
      else if (!firstOnly) return { fits: false, records, firstEnd }
    } else if (state === 'after-quote') {
      if (byte !== CR && !firstOnly) return { fits: false, records, firstEnd }
    } else state = 'unquoted'
  }
  return { fits: firstEnd !== undefined, records, firstEnd }
}

/** A header line of these names, every one quoted. */
export function headerLine(names: readonly string[], format: Dialect): Uint8Array {
  const { quote, delimiter } = format
  const cells = names.map((name) => {
    if (quote !== '') return quote + name.replaceAll(quote, quote + quote) + quote
    if (name.includes(delimiter) || /[\r\n]/.test(name))
      throw badData(`The column name "${name}" cannot be written without quotes`, 'State a quote character.', { column: name })
    return name
  })
  return new TextEncoder().encode(`${cells.join(delimiter)}\n`)
}
