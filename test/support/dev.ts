import { randomBytes } from 'node:crypto'
import { appendFile, chmod, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { isFree } from './servers/ports.ts'
import { Sluice } from './servers/sluice.ts'
import { runUntilStopped } from './shutdown.ts'

/** `npm run dev`: the service on this machine, with data that stays. */

const ROOT = join(import.meta.dirname, '../..')
const DEV_VARS = join(ROOT, '.dev.vars')
const SWEEP_EVERY_MS = 60_000
const say = (text: string) => void process.stdout.write(`${text}\n`)

await runUntilStopped(async (shutdown, waitForSignal) => {
  const { port, dataDir } = readOptions()
  if (!(await isFree(port))) throw new Error(`Port ${port} is taken. Use another one: npm run dev -- --port ${port + 1}`)
  const settings = await settingsWithMasterKey()
  await mkdir(dataDir, { recursive: true })
  say('Applying migrations and starting …')
  const onOutput = (text: string) => void process.stdout.write(text)
  const sluice = await shutdown.start('Sluice', Sluice.start({ port, dataDir, readsDevVars: true, onOutput }), (server) => server.stop())
  say(`\nSluice is at ${sluice.url} (API: ${sluice.url}/openapi.json), data in ${dataDir}, settings in .dev.vars`)
  say(
    settings.get('AUTH_MODE') === 'open'
      ? 'OPEN MODE: any program on this machine may use it without a key. It listens on loopback only.'
      : 'Requests need a key: see API_KEYS and HMAC_CLIENTS in .dev.vars.',
  )
  const sweep = async () => {
    try {
      await sluice.sweep()
    } catch (error) {
      say(`The sweeper could not be called: ${String(error)}`)
    }
  }
  // What cron does once deployed; locally it never fires by itself.
  setInterval(() => void sweep(), SWEEP_EVERY_MS)
  const ended = sluice.ended().then(() => {
    if (!shutdown.isRunning) say('wrangler dev ended by itself.')
    return 1
  })
  return await Promise.race([waitForSignal(), ended])
})

function readOptions(): { port: number; dataDir: string } {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '8000' }, 'data-dir': { type: 'string' } } })
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error('--port must be a number from 1 to 65535')
  return { port, dataDir: values['data-dir'] ?? join(ROOT, '.data/sluice') }
}

/** What a first start needs; afterwards the file belongs to whoever edits it. */
async function settingsWithMasterKey(): Promise<Map<string, string>> {
  const found = await readSettings()
  const missing = [
    ['MASTER_KEYS', `k1:${randomBytes(32).toString('base64')}`],
    ...(found.size === 0
      ? [
          ['AUTH_MODE', 'open'],
          ['PRIVATE_ADDRESSES', 'loopback'],
        ]
      : []),
  ].filter(([name = '']) => !found.has(name))
  if (missing.length === 0) return found
  const lines = missing.map(([name, value]) => `${name}=${value}\n`).join('')
  await appendFile(DEV_VARS, lines, { mode: 0o600 })
  await chmod(DEV_VARS, 0o600)
  say(`Wrote ${missing.map(([name]) => name).join(', ')} to .dev.vars`)
  return await readSettings()
}

async function readSettings(): Promise<Map<string, string>> {
  const text = await readFile(DEV_VARS, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  return new Map([...text.matchAll(/^\s*([A-Z_]+)\s*=\s*"?(.*?)"?\s*$/gm)].map(([, name = '', value = '']) => [name, value]))
}
