import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, freePort } from './ports.ts'

/** The npm package that carries the server exists for Linux on x64 alone. @throws with what to do about it */
export function assertClickHouseAvailable(): void {
  try {
    createRequire(import.meta.url).resolve(`@chdb/lib-linux-${process.arch}-gnu/package.json`)
  } catch {
    throw new Error(
      `The ClickHouse server comes as an optional npm package for Linux (glibc) on x64; this is ${process.platform} ${process.arch}. ` +
        'Run `npm ci` without --omit=optional, on such a machine or in such a container.',
    )
  }
}

export interface ClickHouseUser {
  name: string
  password: string
  profile?: 'readonly' | 'default'
  /** Instead of the profile. */
  settings?: Record<string, string | number>
  /** Instead of every right: `SELECT ON dw.*`. */
  grants?: string[]
  /** Per hour. */
  writtenBytesQuota?: number
}

export interface ClickHouseOptions {
  /** Users besides the passwordless `default`, which the embedded session needs. */
  users?: ClickHouseUser[]
  dataDir?: string
  port?: number
}

/** A real ClickHouse 26.7 on loopback. Databases must be created with `ENGINE = Atomic` (the default database is an overlay). */
export class ClickHouseServer {
  readonly url: string
  readonly port: number
  readonly dataDir: string
  private process: ChildProcess | undefined
  private output = ''

  private constructor(port: number, dataDir: string) {
    this.port = port
    this.dataDir = dataDir
    this.url = `http://127.0.0.1:${port}`
  }

  static async start(options: ClickHouseOptions = {}): Promise<ClickHouseServer> {
    const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'sluice-clickhouse-')))
    const server = new ClickHouseServer(options.port ?? (await freePort()), dataDir)
    await mkdir(join(dataDir, 'data'), { recursive: true })
    await writeFile(join(dataDir, 'users.xml'), usersXml([{ name: 'default', password: '' }, ...(options.users ?? [])]))
    await writeFile(join(dataDir, 'config.xml'), `<clickhouse><users_config>${join(dataDir, 'users.xml')}</users_config></clickhouse>`)
    try {
      await server.restart()
    } catch (error) {
      await server.stop()
      throw error
    }
    return server
  }

  get pid(): number | undefined {
    return this.process?.pid
  }

  /** Starts the process on the same data; used after `kill`. */
  async restart(): Promise<void> {
    const script = join(import.meta.dirname, 'clickhouse-process.cjs')
    const child = spawn(process.execPath, [script, join(this.dataDir, 'data'), String(this.port), join(this.dataDir, 'config.xml')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.process = child
    const keep = (data: Buffer) => {
      this.output = (this.output + data.toString()).slice(-4000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const state = await eventually(`ClickHouse on ${this.url}`, 30_000, async () => {
      if (child.exitCode !== null || child.signalCode !== null) return 'exited'
      return (await fetch(`${this.url}/ping`, { signal: AbortSignal.timeout(5_000) })).ok ? 'up' : undefined
    })
    if (state === 'exited') throw new Error(`ClickHouse ended while starting:\n${this.output}`)
  }

  /** SIGKILL: written parts survive, nothing else does. */
  async kill(): Promise<void> {
    const child = this.process
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  async stop(): Promise<void> {
    await this.kill()
    await rm(this.dataDir, { recursive: true, force: true })
  }

  /** Runs one statement as the default user and returns the text of the answer. */
  async query(sql: string, params: Record<string, string> = {}): Promise<string> {
    const response = await fetch(`${this.url}/?${new URLSearchParams(params).toString()}`, { method: 'POST', body: sql })
    const text = await response.text()
    if (!response.ok) throw new Error(text)
    return text.replace(/\n$/, '')
  }

  /** Rows as objects. */
  async rows<T = Record<string, unknown>>(sql: string): Promise<T[]> {
    const text = await this.query(`${sql} FORMAT JSONEachRow`, { output_format_json_quote_64bit_integers: '1' })
    return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as T)
  }
}

function usersXml(users: ClickHouseUser[]): string {
  const own = users.filter((user) => user.settings).map((user) => `<${user.name}>${elements(user.settings ?? {})}</${user.name}>`)
  const quotas = users
    .filter((user) => user.writtenBytesQuota !== undefined)
    .map(
      (user) =>
        `<${user.name}><interval><duration>3600</duration><written_bytes>${user.writtenBytesQuota}</written_bytes></interval></${user.name}>`,
    )
  const entries = users.map((user) => {
    const rights = user.grants
      ? `<grants>${user.grants.map((grant) => `<query>GRANT ${grant}</query>`).join('')}</grants>`
      : '<access_management>1</access_management>'
    const profile = user.settings ? user.name : (user.profile ?? 'default')
    const quota = user.writtenBytesQuota === undefined ? 'default' : user.name
    return `<${user.name}><password>${user.password}</password><networks><ip>127.0.0.1</ip></networks><profile>${profile}</profile><quota>${quota}</quota>${rights}</${user.name}>`
  })
  return `<clickhouse><profiles><default/><readonly><readonly>1</readonly></readonly>${own.join('')}</profiles><quotas><default/>${quotas.join('')}</quotas><users>${entries.join('')}</users></clickhouse>`
}

function elements(values: Record<string, string | number>): string {
  return Object.entries(values)
    .map(([name, value]) => `<${name}>${value}</${name}>`)
    .join('')
}
