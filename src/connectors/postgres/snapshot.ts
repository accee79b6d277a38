import type { Json } from '../../core/chunk.ts'
import type { HeldSnapshot, Io } from '../../core/connector.ts'
import { IngestError } from '../../core/errors.ts'
import type { PostgresConfig } from './config.ts'
import { snapshotLost, sourcePlace, toIngestError } from './faults.ts'
import { openQueries, type Queries } from './queries.ts'
import { beginStatements } from './session-settings.ts'

/** What a reader needs to join the snapshot. */
export interface SnapshotToken {
  id: string
  /** When the server started, seconds since 1970: ids begin anew with each start, and an old one would find a stranger's. */
  serverStarted: string
}

export const SERVER_STARTED = 'EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time())'

export function readToken(token: Json | undefined, config: PostgresConfig): SnapshotToken | undefined {
  if (token === undefined) return undefined
  const { id, serverStarted } = (typeof token === 'object' && token !== null && !Array.isArray(token) ? token : {}) as Record<string, Json>
  if (typeof id === 'string' && typeof serverStarted === 'string') return { id, serverStarted }
  throw snapshotLost(sourcePlace(config), 'The snapshot is not one of this connector')
}

/** A transaction that keeps one view of the database open for other sessions, on a connection of its own. */
export async function holdSnapshot(config: PostgresConfig, io: Io): Promise<HeldSnapshot> {
  const place = sourcePlace(config)
  const queries = await openQueries(config, io)
  try {
    for (const statement of beginStatements(undefined, null)) await queries.query(statement)
    const [row] = await queries.query(`SELECT pg_catalog.pg_export_snapshot() AS id, ${SERVER_STARTED} AS started`)
    return {
      token: { id: String(row?.id), serverStarted: String(row?.started) },
      async keepAlive() {
        try {
          await queries.query('SELECT 1')
        } catch (error) {
          if (error instanceof IngestError && error.fault.tag === 'cancelled') throw error
          throw snapshotLost(place, `The session that held the snapshot is gone: ${toIngestError(error, place).message}`, error)
        }
      },
      release: () => release(queries),
    }
  } catch (error) {
    await release(queries)
    throw toIngestError(error, place)
  }
}

async function release(queries: Queries): Promise<void> {
  // Closing the connection ends the transaction.
  await queries.close().catch(() => {})
}
