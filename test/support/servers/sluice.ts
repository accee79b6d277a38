import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually, freePort } from './ports.ts'

const ROOT = join(import.meta.dirname, '../../..')
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')
const QUIET = { WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false', WRANGLER_HIDE_BANNER: 'true', NO_COLOR: '1' }

/** A key for development and tests alone. */
export const DEVELOPMENT_MASTER_KEY = `dev:${Buffer.from('sluice-development-key-32-bytes!').toString('base64')}`

export interface SluiceOptions {
  /** Settings beyond (or instead of) those of open local development; see src/env.ts. */
  vars?: Record<string, string>
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
  /** Everything it printed, for the secrets canary. */
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
    await migrate(dataDir)
    await sluice.restart()
    return sluice
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
    args.push('--persist-to', this.dataDir, '--show-interactive-dev-session=false', '--log-level', 'info')
    for (const [name, value] of Object.entries(vars)) args.push('--var', `${name}:${value}`)
    // A group of its own, so that kill reaches workerd as well as its parent.
    const child = spawn(process.execPath, [WRANGLER, ...args], {
      cwd: ROOT,
      env: { ...process.env, ...QUIET, ...this.options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    this.process = child
    const keep = (data: Buffer) => {
      this.output += data.toString()
      this.options.onOutput?.(data.toString())
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    await eventually(`Sluice on ${this.url}`, 60_000, async () => {
      if (child.exitCode !== null) throw new Error(`exited with ${child.exitCode}: ${this.output.slice(-4000)}`)
      return (await fetch(`${this.url}/healthz`)).ok || undefined
    })
  }

  /** SIGKILL of everything: what was only in memory is gone. */
  async kill(): Promise<void> {
    const child = this.process
    if (!child?.pid) return
    const gone =
      child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((resolve) => child.once('exit', resolve))
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // The group has ended already.
    }
    await gone
  }

  async stop(): Promise<void> {
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

let migrated: Promise<string> | undefined

/** Applying migrations takes seconds, so it is done once per process and copied. */
async function migrate(dataDir: string): Promise<void> {
  migrated ??= (async () => {
    const template = await mkdtemp(join(tmpdir(), 'sluice-d1-'))
    const args = [WRANGLER, 'd1', 'migrations', 'apply', 'sluice', '--local', '--persist-to', template]
    await promisify(execFile)(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...QUIET, CI: 'true' } })
    process.once('exit', () => void rm(template, { recursive: true, force: true }))
    return template
  })()
  await cp(await migrated, dataDir, { recursive: true, force: false, errorOnExist: false })
}
