import type { Lane } from '../core/payload.ts'

export interface LaneChoice {
  /** What the source is asked for. */
  from: Lane
  /** What the destination is given. Differs from `from` only when records are encoded on the way. */
  to: Lane
  /** For people: stored on the execution and shown. */
  because: string
}

/**
 * The cheapest way both ends can go: bytes passed on unparsed, else records, else records encoded into bytes.
 * @param needsRecords the load changes columns and the source cannot do it itself
 * @returns undefined when the two ends have nothing in common
 */
export function chooseLane(emits: readonly Lane[], accepts: readonly Lane[], needsRecords: boolean): LaneChoice | undefined {
  if (!needsRecords) {
    for (const from of emits) {
      if (from.via === 'bytes' && accepts.some((to) => covers(to, from))) {
        return { from, to: from, because: `bytes: both speak ${laneName(from)}, nothing is parsed` }
      }
    }
  }
  const records = emits.find((lane) => lane.via === 'records')
  if (!records) return undefined
  const why = needsRecords ? 'columns change on the way' : 'the two ends share no byte format'
  if (accepts.some((lane) => lane.via === 'records')) return { from: records, to: records, because: `records: ${why}` }
  const encoded = accepts.find((lane) => lane.via === 'bytes' && lane.format.encoding === 'tsv' && lane.format.compression === 'none')
  return encoded && { from: records, to: encoded, because: `records, sent as tsv: ${why}` }
}

/** `csv+gzip` */
export function laneName(lane: Lane): string {
  if (lane.via === 'records') return 'records'
  return lane.format.compression === 'none' ? lane.format.encoding : `${lane.format.encoding}+${lane.format.compression}`
}

function covers(accepted: Lane, emitted: Lane): boolean {
  if (accepted.via !== 'bytes' || emitted.via !== 'bytes') return false
  const [a, e] = [accepted.format, emitted.format]
  if (a.encoding !== e.encoding || a.compression !== e.compression) return false
  if (a.encoding !== 'csv' || !a.csv) return true
  return (
    !!e.csv &&
    a.csv.delimiter === e.csv.delimiter &&
    a.csv.quote === e.csv.quote &&
    a.csv.header === e.csv.header &&
    a.csv.nullText === e.csv.nullText
  )
}
