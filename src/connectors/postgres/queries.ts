import { Client as NeonClient } from '@neondatabase/serverless'
import pg from 'pg'
import type { Io } from '../../core/connector.ts'
import { IngestError } from '../../core/errors.ts'
import { IDLE_TIMEOUT_MS, SCRAM_ITERATIONS_MAX } from '../../limits.ts'
import type { PostgresConfig } from './config.ts'
import { sourcePlace, toIngestError } from './faults.ts'
import { ByteDuplex } from './wire/byte-duplex.ts'
import { sendCancel } from './wire/cancel-request.ts'
import { connectSocket, withinConnectTime } from './wire/connect.ts'
import { IdleGuard } from './wire/idle-guard.ts'
import { Interrupt } from './wire/interrupt.ts'

/** Column values as the server writes them: text, or null. */
export type Row = Record<string, string | null>

/** One connection for small questions: discovery, snapshots, checksums. Errors are those of the driver. */
export interface Queries {
  query(sql: string, parameters?: (string | number | null | (string | null)[])[]): Promise<Row[]>
  /** False once the connection broke. */
  readonly alive: boolean
  close(): Promise<void>
}

/** What both client libraries have in common, as far as it is used here. */
interface Client {
  connect(): Promise<unknown>
  query(options: { text: string; values?: unknown[] }): Promise<{ rows: unknown[] } | { rows: unknown[] }[]>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
}

const textOnly = { getTypeParser: () => (value: string) => value }

/**
 * Neon's hosts are reached through their WebSocket proxy, all others through pg on a socket of `io`.
 * @param isPatient whether a silent server is asked if it still works before it is taken for dead
 */
export async function openQueries(config: PostgresConfig, io: Io, isPatient = true): Promise<Queries> {
  const interrupt = new Interrupt()
  const cancel = () => interrupt.fail(new IngestError({ tag: 'cancelled' }))
  io.signal.addEventListener('abort', cancel, { once: true })
  const forget = () => io.signal.removeEventListener('abort', cancel)
  interrupt.onFail(forget)
  if (io.signal.aborted) cancel()
  try {
    if (interrupt.failed) throw interrupt.error
    const state = { alive: true, busy: false }
    const client = await withinConnectTime(config, interrupt, async () => {
      const { client, encrypted } = await openClient(config, io, interrupt)
      client.on('error', () => {
        state.alive = false
      })
      interrupt.onFail(() => {
        state.alive = false
        const key = cancelKeyOf(client)
        if (key && state.busy) void sendCancel(config, io, key, encrypted)
        void client.end().catch(() => {})
      })
      await interrupt.wait(client.connect())
      return client
    })
    const idle = new IdleGuard(interrupt, sourcePlace(config), io.idleTimeoutMs ?? IDLE_TIMEOUT_MS, async () => {
      const backend = cancelKeyOf(client)?.processId
      return isPatient && backend !== undefined && (await isWorking(config, io, String(backend)))
    })
    return {
      get alive() {
        return state.alive
      },
      async query(sql, parameters) {
        state.busy = true
        try {
          const result = await idle.watch(client.query(parameters ? { text: sql, values: parameters } : { text: sql }))
          const last = Array.isArray(result) ? result.at(-1) : result
          return (last?.rows ?? []) as Row[]
        } finally {
          state.busy = false
        }
      },
      async close() {
        forget()
        state.alive = false
        await client.end().catch(() => {})
      },
    }
  } catch (error) {
    interrupt.fail(error)
    throw toIngestError(interrupt.error, sourcePlace(config))
  }
}

export function isNeonHost(host: string): boolean {
  return /\.neon\.(tech|build)$/i.test(host)
}

async function openClient(config: PostgresConfig, io: Io, interrupt: Interrupt): Promise<{ client: Client; encrypted: boolean }> {
  const { host, port, user, database } = config
  const shared = {
    host,
    port,
    user,
    database,
    // A function, because pg takes an empty string for "look into the environment".
    password: () => config.password,
    application_name: 'sluice',
    client_encoding: 'UTF8',
    ssl: false,
    types: textOnly,
    ...(config.options ? { options: config.options } : {}),
  }
  if (isNeonHost(host)) {
    io.assertAllowed(host, 443)
    return { client: new NeonClient(shared) as Client, encrypted: config.sslmode !== 'disable' }
  }
  const { socket, encrypted } = await connectSocket(config, io, interrupt)
  const settings = { ...shared, stream: () => new ByteDuplex(socket), scramMaxIterations: SCRAM_ITERATIONS_MAX }
  return { client: new pg.Client(settings) as Client, encrypted }
}

function cancelKeyOf(client: Client): { processId: number; secret: Uint8Array } | undefined {
  const { processID, secretKey } = client as { processID?: number | null; secretKey?: number | null }
  if (typeof processID !== 'number' || typeof secretKey !== 'number') return undefined
  const secret = new Uint8Array(4)
  new DataView(secret.buffer).setInt32(0, secretKey)
  return { processId: processID, secret }
}

/** Asked over another connection: does the backend still compute, or does it wait for a network that lost it? */
export async function isWorking(config: PostgresConfig, io: Io, backend: string | null): Promise<boolean> {
  if (backend === null) return false
  const queries = await openQueries(config, io, false)
  try {
    const [row] = await queries.query("SELECT wait_event FROM pg_catalog.pg_stat_activity WHERE pid = $1::int AND state = 'active'", [
      backend,
    ])
    return row !== undefined && row.wait_event !== 'ClientWrite'
  } finally {
    await queries.close()
  }
}
