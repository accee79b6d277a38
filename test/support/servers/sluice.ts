import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { appendFileSync, rmSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { devNull, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually, freePort, withDeadline } from './ports.ts'

const ROOT = join(import.meta.dirname, '../../..')
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')
const QUIET = {
  WRANGLER_SEND_METRICS: 'false',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  NO_COLOR: '1',
  // Its traces keep every address that is asked on disk, and those of signed files hold a credential.
  X_LOCAL_OBSERVABILITY: 'false',
}

/** A key for development and tests alone. */
export const DEVELOPMENT_MASTER_KEY = `dev:${Buffer.from('sluice-development-key-32-bytes!').toString('base64')}`

export interface SluiceOptions {
  /** Settings beyond (or instead of) those of open local development; see src/env.ts. */
  vars?: Record<string, string>
  /** All settings are those of `.dev.vars`, and none of the above; otherwise that file is not read. */
  readsDevVars?: boolean
  port?: number
  /** Where D1 and the objects keep their data; a folder of its own by default. */
  dataDir?: string
  onOutput?: (text: string) => void
  env?: Record<string, string>
}

/** The service itself under `wrangler dev`, on loopback. */
export class Sluice {
  readonly url: string
  readonly dataDir: string
  private readonly port: number
  private readonly options: SluiceOptions
  private process: ChildProcess | undefined
  /** The end of what the running process printed; everything is in `logFile`. */
  output = ''

  private constructor(port: number, dataDir: string, options: SluiceOptions) {
    this.port = port
    this.dataDir = dataDir
    this.options = options
    this.url = `http://127.0.0.1:${port}`
  }

  static async start(options: SluiceOptions = {}): Promise<Sluice> {
    const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'sluice-data-')))
    const sluice = new Sluice(options.port ?? (await freePort()), dataDir, options)
    try {
      await (options.dataDir ? migrate(dataDir) : copyMigrated(dataDir))
      await sluice.restart()
    } catch (error) {
      await sluice.stop()
      throw error
    }
    return sluice
  }

  get logFile(): string {
    return join(this.dataDir, 'output.log')
  }

  get pid(): number | undefined {
    return this.process?.pid
  }

  /** Starts the process on the same data; used after `kill`. */
  async restart(): Promise<void> {
    const vars = {
      AUTH_MODE: 'open',
      PRIVATE_ADDRESSES: 'loopback',
      MASTER_KEYS: DEVELOPMENT_MASTER_KEY,
      ...this.options.vars,
    }
    const args = ['dev', '--ip', '127.0.0.1', '--port', String(this.port), '--inspector-port', String(await freePort())]
    args.push('--persist-to', this.dataDir, '--show-interactive-dev-session=false', '--log-level', 'log')
    if (!this.options.readsDevVars) {
      args.push('--env-file', devNull)
      for (const [name, value] of Object.entries(vars)) args.push('--var', `${name}:${value}`)
    }
    // A group of its own, so that kill reaches workerd as well as its parent.
    const child = spawn(process.execPath, [WRANGLER, ...args], {
      cwd: ROOT,
      env: { ...process.env, ...QUIET, ...this.options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    this.process = child
    this.output = ''
    const keep = (data: Buffer) => {
      this.output = (this.output + data.toString()).slice(-20_000)
      appendFileSync(this.logFile, data)
      this.options.onOutput?.(data.toString())
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const state = await eventually(`Sluice on ${this.url}`, 180_000, async () => {
      if (child.exitCode !== null || child.signalCode !== null) return 'ended'
      // After a failed build it would wait for the code to change.
      if (this.output.includes('[ERROR]')) return 'failed'
      return (await fetch(`${this.url}/healthz`, { signal: AbortSignal.timeout(5_000) })).ok ? 'up' : undefined
    })
    if (state !== 'up') throw new Error(`wrangler dev ${state} while starting:\n${this.output.slice(-4000)}`)
  }

  /** Settles when the process ends, for whatever reason. */
  async ended(): Promise<void> {
    const child = this.process
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    await new Promise((resolve) => child.once('exit', resolve))
  }

  /** SIGKILL of everything: what was only in memory is gone. */
  async kill(): Promise<void> {
    const child = this.process
    if (!child?.pid) return
    // Closed, not only ended: what it printed last must be in the log before its folder goes.
    const gone = child.stdout?.closed && child.stderr?.closed ? Promise.resolve() : new Promise((resolve) => child.once('close', resolve))
    this.signalGroup('SIGKILL')
    await gone
    const deadlineMs = Date.now() + 2_000
    while (this.signalGroup(0) && Date.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 10))
  }

  /** To wrangler and everything below it. @returns false when nothing of it is left */
  private signalGroup(signal: NodeJS.Signals | 0): boolean {
    const pid = this.process?.pid
    if (!pid) return false
    try {
      return process.kill(-pid, signal)
    } catch {
      return false
    }
  }

  async stop(): Promise<void> {
    // As Ctrl-C in a terminal does: then it also removes its temporary files.
    this.signalGroup('SIGINT')
    await withDeadline('Sluice shutdown', 3_000, () => this.ended()).catch(() => {})
    await this.kill()
    if (!this.options.dataDir) await rm(this.dataDir, { recursive: true, force: true })
  }

  /** Fires the cron trigger, which local development never does by itself. */
  async sweep(): Promise<void> {
    await fetch(`${this.url}/cdn-cgi/handler/scheduled?cron=*+*+*+*+*`)
  }

  async post(
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; headers: Headers; body: Record<string, unknown> }> {
    const response = await fetch(this.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, unknown> }
  }

  async get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(this.url + path)
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
}

async function migrate(dataDir: string): Promise<void> {
  const args = [WRANGLER, 'd1', 'migrations', 'apply', 'sluice', '--local', '--persist-to', dataDir]
  await promisify(execFile)(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...QUIET, CI: 'true' }, timeout: 180_000 })
}

let template: Promise<string> | undefined

/** Applying migrations takes seconds, so it is done once per process and copied. */
async function copyMigrated(dataDir: string): Promise<void> {
  template ??= (async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-d1-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    await migrate(folder)
    return folder
  })()
  await cp(await template, dataDir, { recursive: true })
}
