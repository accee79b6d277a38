import type { Chunk, StreamDescription } from '../../core/chunk.ts'
import type { Io, ReadOptions } from '../../core/connector.ts'
import { IngestError, type Place } from '../../core/errors.ts'
import type { Payload } from '../../core/payload.ts'
import type { PostgresConfig } from './config.ts'
import { type Details, detailsOf, type Part } from './details.ts'
import { isSnapshotError, snapshotLost, sourcePlace } from './faults.ts'
import { legsOf, type Slice } from './plan.ts'
import { isWorking } from './queries.ts'
import { quoteTable } from './quote.ts'
import { type Leg, selectRows } from './select.ts'
import { beginStatements } from './session-settings.ts'
import { readToken, SERVER_STARTED, type SnapshotToken } from './snapshot.ts'
import { copyOut } from './wire/copy-out.ts'

/** Opens one chunk as COPY text, which is TSV as core/schema.ts has it. */
export async function readChunk(
  config: PostgresConfig,
  io: Io,
  description: StreamDescription,
  chunk: Chunk,
  options: ReadOptions,
  idleTimeoutMs?: number,
): Promise<Payload> {
  const details = detailsOf(description)
  const legs = legsOf(details, chunk.slice as Slice)
  const view = transactionOf(config, description, chunk, options)
  let backend: string | null = null
  return await copyOut(
    config,
    io,
    {
      prepare: view.statements.join(';\n'),
      accept(row) {
        backend = row[0] ?? null
        view.accept(row)
      },
      explain: view.explain,
      copy: `COPY (${selectRows(details, legs, options.pseudonymSalt)}) TO STDOUT`,
    },
    { resource: description.stream, idleTimeoutMs, isWorking: async () => await isWorking(config, io, backend) },
  )
}

export interface ChunkTransaction {
  /** The last one returns the row for `accept`. */
  statements: string[]
  accept(row: (string | null)[]): void
  explain(error: unknown, done: number): unknown
}

/**
 * The transaction in which a chunk is read: in the snapshot, with the tables locked against TRUNCATE and rewriting,
 * after a check that neither happened since they were described. Both are invisible to MVCC: without it a truncated
 * table would read as empty, and a rewritten one would lose and repeat rows between ranges of blocks.
 */
export function transactionOf(
  config: PostgresConfig,
  description: StreamDescription,
  chunk: Chunk,
  options: ReadOptions,
): ChunkTransaction {
  const details = detailsOf(description)
  const place = sourcePlace(config, description.stream)
  const slice = chunk.slice as Slice
  const token = readToken(options.snapshot, config)
  const parts = partsOf(details, slice)
  const files = parts.map((part) => `pg_catalog.pg_relation_filenode(${part.oid})`)
  return {
    statements: [
      ...beginStatements(token?.id, details.monetary),
      ...legsOf(details, slice).map(lock),
      `SELECT pg_catalog.pg_backend_pid(), ${SERVER_STARTED}, ${files.length ? `pg_catalog.to_json(ARRAY[${files.join(', ')}])` : "'[]'"}`,
    ],
    accept([, started, found]) {
      if (token && started !== token.serverStarted) throw snapshotLost(place, 'The server was started again since the snapshot was taken')
      // Read whole and in no snapshot, a table may be another one than before: it is read as it is now.
      if (slice === 'whole' && !token) return
      const now = JSON.parse(found ?? '[]') as (number | null)[]
      const changed = parts.find((part, at) => part.file !== null && String(now[at]) !== part.file)
      if (changed) throw rewritten(changed, place)
    },
    explain: (error, done) => (token && done === 1 && isSnapshotError(error) ? lost(error, place, token) : error),
  }
}

function partsOf({ parts }: Details, slice: Slice): Part[] {
  return slice === 'whole' ? parts : parts.slice(slice[0], slice[2] + 1)
}

/** Takes ACCESS SHARE until the transaction ends; LOCK TABLE does not know materialized views. */
function lock(leg: Leg): string {
  return `SELECT FROM ${leg.only ? 'ONLY ' : ''}${quoteTable(leg.table)} LIMIT 0`
}

function lost(error: unknown, place: Place, token: SnapshotToken): IngestError {
  return snapshotLost(
    place,
    `The transaction that exported snapshot ${token.id} is gone: ${error instanceof Error ? error.message : String(error)}`,
    error,
  )
}

function rewritten(part: Part, place: Place): IngestError {
  return new IngestError({
    tag: 'rejected',
    message: `Table ${quoteTable(part)} was truncated or rewritten (TRUNCATE, VACUUM FULL, CLUSTER, ALTER TABLE) while it was being read`,
    place,
    remedy: 'Run the load again when the maintenance is done.',
    code: 'table-rewritten',
  })
}
