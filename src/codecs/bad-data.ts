import { IngestError } from '../core/errors.ts'

/** Longest beginning of a value shown in a message. */
const SHOWN_MAX_CHARS = 40

/** A record that cannot be read. `record` counts from 1 in what the codec was given; whoever knows the object adds its place. */
export function badData(message: string, remedy: string, place: { record?: number; column?: string } = {}): IngestError {
  return new IngestError({ tag: 'bad-data', message, remedy, place: { side: 'source', ...place } })
}

/** The beginning of a value, quoted, for a message. */
export function shown(value: string): string {
  return JSON.stringify(value.length > SHOWN_MAX_CHARS ? `${value.slice(0, SHOWN_MAX_CHARS)}…` : value)
}
