import { encodeTsv } from '../codecs/encode-tsv.ts'
import type { Chunk, ColumnRules, Json, Receipt, StreamDescription } from '../core/chunk.ts'
import type { Attempt, Destination, ReadOptions, Source } from '../core/connector.ts'
import { IngestError } from '../core/errors.ts'
import type { Payload, ReadOutcome } from '../core/payload.ts'
import { PROGRESS_EVERY_MS } from '../limits.ts'
import type { LaneChoice } from './choose-lane.ts'
import { mapColumns, mapSchema } from './map-columns.ts'

export interface CopyJob {
  description: StreamDescription
  chunk: Chunk
  lane: LaneChoice
  rules: ColumnRules
  prepared: Json
  attempt: Attempt
  read: ReadOptions
  /** Fields to compare by content checksum; absent: rows are counted only. */
  checksumFields?: string[]
}

export interface Copied {
  receipt: Receipt
  read: ReadOutcome
  checksum?: { source: string; destination: string }
}

/**
 * Moves one chunk and proves it: rows read = rows taken, and equal checksums where asked for. Never commits anything.
 * @throws IngestError `mismatch` when the ends disagree, else the fault of the end that failed first
 */
export async function copyChunk(
  source: Source,
  destination: Destination,
  job: CopyJob,
  onProgress: (bytes: number) => void,
): Promise<Copied> {
  const original = await source.read(job.description, job.chunk, job.lane.from, job.read)
  const payload = await onLane(original, job)
  // Where the source counts, progress is told in its measure; a destination sees bytes late, and may weigh them otherwise.
  const counts = original.sentBytes !== undefined
  const telling = counts ? setInterval(() => onProgress(original.sentBytes?.() ?? 0), PROGRESS_EVERY_MS) : undefined
  // Both ends may fail at once; the one that caused it must win, and neither rejection may go unheard.
  original.completed.catch(() => {})
  let receipt: Receipt
  try {
    receipt = await destination.write(job.prepared, job.attempt, payload, counts ? () => {} : onProgress)
  } catch (error) {
    original.cancel()
    throw await firstCause(original, error)
  } finally {
    clearInterval(telling)
  }
  const read = await original.completed
  if (read.rows !== undefined && read.rows !== receipt.rows) {
    throw mismatch(job, `${read.rows} rows were read but ${receipt.rows} were taken`)
  }
  const copied: Copied = { receipt, read }
  if (job.checksumFields && source.checksum && destination.checksum) {
    const [ours, theirs] = await Promise.all([
      source.checksum(job.description, job.chunk, job.checksumFields, job.read),
      destination.checksum(job.prepared, receipt, job.checksumFields),
    ])
    if (ours !== theirs) throw mismatch(job, `the content checksum is ${ours} at the source and ${theirs} at the destination`)
    copied.checksum = { source: ours, destination: theirs }
  }
  return copied
}

async function onLane(payload: Payload, job: CopyJob): Promise<Payload> {
  if (payload.via === 'bytes' || job.lane.to.via === 'records') return payload
  const rules = job.description.rulesApplied ? { exclude: [], pseudonymize: [] } : job.rules
  const schema = mapSchema(payload.schema, rules)
  const batches = mapColumns(payload.schema, payload.batches, rules, job.read.pseudonymSalt)
  return {
    via: 'bytes',
    format: job.lane.to.format,
    body: encodeTsv(schema, batches),
    completed: payload.completed,
    cancel: payload.cancel,
  }
}

/** A destination that failed because its body broke off only repeats what the source knows better. */
async function firstCause(payload: Payload, error: unknown): Promise<unknown> {
  const ofSource = await Promise.race([
    payload.completed.then(
      () => undefined,
      (cause: unknown) => cause,
    ),
    new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 50)),
  ])
  if (ofSource instanceof IngestError && ofSource.fault.tag !== 'cancelled') {
    const ofDestination = error instanceof IngestError ? error.fault.tag : 'internal'
    if (['internal', 'unreachable', 'cancelled', 'bad-data'].includes(ofDestination)) return ofSource
  }
  return error
}

function mismatch(job: CopyJob, what: string): IngestError {
  return new IngestError({
    tag: 'mismatch',
    message: `In chunk ${job.chunk.id}, ${what}`,
    place: { resource: job.description.stream },
    remedy: 'Nothing was published. Run the load again; if it repeats, the source changes while it is read or the mapping loses rows.',
  })
}
