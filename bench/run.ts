import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { assertClickHouseAvailable, ClickHouseServer } from '../test/support/servers/clickhouse.ts'
import { withDeadline } from '../test/support/servers/ports.ts'
import { PostgresServer } from '../test/support/servers/postgres.ts'
import { Sluice } from '../test/support/servers/sluice.ts'
import { runUntilStopped, type Shutdown } from '../test/support/shutdown.ts'
import { type Machine, machineFacts } from './machine.ts'
import { measureCancel } from './parts/cancel.ts'
import { measureChunks } from './parts/chunks.ts'
import { measureMemory } from './parts/memory.ts'
import { measureObject } from './parts/object.ts'
import { measureOneRow } from './parts/one-row.ts'
import { measurePostgres } from './parts/postgres.ts'
import { writeReport } from './report.ts'
import { DESTINATION_DATABASE, SOURCE_DATABASE, type Stage } from './stage.ts'
import { rounded } from './statistics.ts'
import { summary } from './summary.ts'

/** `npm run bench [-- --only postgres,object --runs 5 --no-write]`; see docs/benchmarks.md. */

const PARTS: Record<string, (stage: Stage) => Promise<object>> = {
  postgres: measurePostgres,
  object: measureObject,
  'one-row': measureOneRow,
  memory: measureMemory,
  chunks: measureChunks,
  cancel: measureCancel,
}
const PART_DEADLINE_MS = 10 * 60_000
const BASELINE = join(import.meta.dirname, 'baseline.json')
const say = (line: string) => void process.stdout.write(`${line}\n`)

export interface Baseline {
  /** Each part with the machine and moment it was measured on, and how busy that machine was with other things. */
  parts: Record<string, { machine: Machine; loadBefore: number; result: object }>
}

await runUntilStopped(async (shutdown) => {
  const { only, runs, write } = readOptions()
  assertClickHouseAvailable()
  const stage = await setStage(shutdown, runs)
  const machine = await machineFacts(stage.postgres, stage.clickhouse)
  const baseline: Baseline = JSON.parse(await readFile(BASELINE, 'utf8').catch(() => '{"parts":{}}'))
  const measured: Baseline = { parts: {} }
  let failed = 0
  for (const name of only) {
    if (shutdown.isRunning) break
    const startedAtMs = Date.now()
    const loadBefore = rounded(loadavg()[0] ?? Number.NaN, 1)
    say(`\n${name} …`)
    try {
      const result = await withDeadline(`Part ${name}`, PART_DEADLINE_MS, () => part(name)(stage))
      measured.parts[name] = { machine, loadBefore, result }
    } catch (error) {
      failed++
      say(`  FAILED: ${error instanceof Error ? error.message : String(error)}`)
    }
    say(`  (${Math.round((Date.now() - startedAtMs) / 1000)} s)`)
  }
  say(`\n${summary(measured)}`)
  if (write) {
    const all = { parts: { ...baseline.parts, ...measured.parts } }
    await writeFile(BASELINE, `${JSON.stringify(all, null, 2)}\n`)
    await writeReport(all)
    say('Written to bench/baseline.json and docs/benchmarks.md')
  }
  return failed > 0 ? 1 : 0
})

function part(name: string): (stage: Stage) => Promise<object> {
  const found = PARTS[name]
  if (!found) throw new Error(`There is no part "${name}"; there are: ${Object.keys(PARTS).join(', ')}`)
  return found
}

function readOptions(): { only: string[]; runs: number; write: boolean } {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, runs: { type: 'string', default: '5' }, write: { type: 'boolean', default: true } },
    allowNegative: true,
  })
  const only = values.only?.split(',') ?? Object.keys(PARTS)
  for (const name of only) part(name)
  const runs = Number(values.runs)
  if (!Number.isInteger(runs) || runs < 1) throw new Error('--runs must be a whole number')
  return { only, runs, write: values.write }
}

async function setStage(shutdown: Shutdown, runs: number): Promise<Stage> {
  const password = randomBytes(9).toString('base64url')
  say('Starting Postgres, ClickHouse and Sluice …')
  const settings = ['max_wal_size=4GB', 'shared_buffers=1GB', 'autovacuum=off']
  const startSluice = (vars: Record<string, string> = {}) => shutdown.start('Sluice', Sluice.start({ vars }), (server) => server.stop())
  const [postgres, clickhouse, sluice] = await Promise.all([
    shutdown.start('Postgres', PostgresServer.start({ password, settings }), (server) => server.stop()),
    shutdown.start('ClickHouse', ClickHouseServer.start({ users: [{ name: 'bench', password: 'bench' }] }), (server) => server.stop()),
    startSluice(),
  ])
  await postgres.query(`CREATE DATABASE ${SOURCE_DATABASE}`)
  await clickhouse.query(`CREATE DATABASE ${DESTINATION_DATABASE} ENGINE = Atomic`)
  return { postgres, clickhouse, sluice, runs, startSluice, say }
}
