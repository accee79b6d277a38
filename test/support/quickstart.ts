import { randomBytes } from 'node:crypto'
import { followExecution, type Receipt } from './quickstart/events.ts'
import { lineDisplay, type ProgressDisplay, terminalDisplay } from './quickstart/progress-display.ts'
import { type Counted, countsTable, problemsOf, receiptTable } from './quickstart/report.ts'
import { number } from './quickstart/text-form.ts'
import { createShop, SHOP_DATABASE, SHOP_TABLES } from './sample-data/shop.ts'
import { assertClickHouseAvailable, ClickHouseServer } from './servers/clickhouse.ts'
import { portNear, withDeadline } from './servers/ports.ts'
import { PostgresServer } from './servers/postgres.ts'
import { Sluice } from './servers/sluice.ts'
import { runUntilStopped, type Shutdown } from './shutdown.ts'

/** `npm run quickstart`: real servers, sample data, one request; see docs/quickstart.md. */

const DESTINATION_DATABASE = 'dw'
const LOAD_DEADLINE_MS = 5 * 60_000
const inTerminal = Boolean(process.stdout.isTTY && process.stdin.isTTY)
const say = (text = '') => void process.stdout.write(`${text}\n`)

interface Servers {
  postgres: PostgresServer
  clickhouse: ClickHouseServer
  sluice: Sluice
  password: string
}

await runUntilStopped(async (shutdown, waitForSignal) => {
  const startedAtMs = Date.now()
  const servers = await startServers(shutdown)
  const request = requestBody(servers)
  say('\nPOST /ingest')
  say(indent(JSON.stringify(request, null, 2)))
  const receipt = await withDeadline('The load', LOAD_DEADLINE_MS, () => load(servers.sluice, request))
  const counted = await countBothSides(servers)
  const problems = problemsOf(receipt, counted)
  report(servers, receipt, counted)
  if (problems.length > 0) {
    say(`\nNOT AS IT SHOULD BE\n${problems.map((problem) => `  ✗ ${problem}`).join('\n')}`)
    return 1
  }
  const rows = number(counted.reduce((sum, table) => sum + table.source, 0))
  say(`\n✓ ${rows} rows in ${counted.length} tables are in ClickHouse, counted at both ends and equal by checksum.`)
  if (!inTerminal) {
    say(`Done in ${Math.round((Date.now() - startedAtMs) / 1000)} s; without a terminal everything stops here.`)
    return 0
  }
  sayHowToCall(servers)
  say('\nEverything keeps running until Ctrl-C.')
  const ended = servers.sluice.ended().then(() => {
    if (!shutdown.isRunning) say('\nSluice ended by itself.')
    return 1
  })
  return await Promise.race([waitForSignal(), ended])
})

async function startServers(shutdown: Shutdown): Promise<Servers> {
  assertClickHouseAvailable()
  const password = randomBytes(9).toString('base64url')
  // Those of the documentation where a person may want to type them; several runs side by side otherwise.
  const port = async (preferred: number) => (inTerminal ? await portNear(preferred) : undefined)
  say('Starting Postgres, ClickHouse and Sluice …')
  const settings = ['max_wal_size=2GB', 'shared_buffers=256MB']
  const [postgres, clickhouse, sluice] = await Promise.all([
    withData(shutdown, PostgresServer.start({ port: await port(5432), password, settings })),
    shutdown.start('ClickHouse', ClickHouseServer.start({ port: await port(8123), users: [{ name: 'sluice', password }] }), (server) =>
      server.stop(),
    ),
    shutdown.start('Sluice', Sluice.start({ port: await port(8000) }), (server) => server.stop()),
  ])
  await clickhouse.query(`CREATE DATABASE ${DESTINATION_DATABASE} ENGINE = Atomic`)
  say(`  Postgres    127.0.0.1:${postgres.port}   database "${SHOP_DATABASE}"`)
  say(`  ClickHouse  127.0.0.1:${clickhouse.port}   database "${DESTINATION_DATABASE}", empty`)
  say(`  Sluice      ${sluice.url}   open to anybody on this machine, and to nobody else`)
  return { postgres, clickhouse, sluice, password }
}

async function withData(shutdown: Shutdown, starting: Promise<PostgresServer>): Promise<PostgresServer> {
  const postgres = await shutdown.start('Postgres', starting, (server) => server.stop())
  const rows = number(SHOP_TABLES.reduce((sum, table) => sum + table.rows, 0))
  say(`Filling Postgres with ${rows} rows in ${SHOP_TABLES.length} tables …`)
  await createShop(postgres)
  return postgres
}

function requestBody({ postgres, clickhouse, password }: Servers) {
  return {
    identity: 'quickstart',
    source_uri: postgres.uri(SHOP_DATABASE),
    destination_uri: `clickhouse://sluice:${password}@127.0.0.1:9000/${DESTINATION_DATABASE}?http_port=${clickhouse.port}&secure=0`,
    verify: 'checksum',
    resources: SHOP_TABLES.map(({ name }) => ({ source_table_name: name, destination_table_name: destinationTable(name) })),
  }
}

/** `Gift "Cards" 🎁` becomes `gift_cards`; the service itself would keep any name. */
function destinationTable(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '')
}

async function load(sluice: Sluice, request: object): Promise<Receipt> {
  const { status, body } = await sluice.post('/ingest', request, { prefer: 'respond-async' })
  if (status !== 202) throw new Error(`POST /ingest answered ${status}: ${JSON.stringify(body, null, 2)}`)
  say(`\n202 Accepted, following ${String(body.events_url)}\n`)
  const display: ProgressDisplay = inTerminal ? terminalDisplay(process.stdout) : lineDisplay(say)
  const receipt = await followExecution(String(body.events_url), (tables) => display.show(tables))
  const { body: ended } = await sluice.get(new URL(String(body.status_url)).pathname)
  // The last event before the end may be a second old.
  display.show((ended.receipt as Receipt).resources.map(lastProgress))
  display.end()
  return receipt
}

function lastProgress(proof: Receipt['resources'][number]) {
  return {
    source_table_name: proof.source_table_name,
    destination_table_name: proof.destination_table_name,
    phase: proof.phase,
    rows: proof.rows.delivered,
    estimated_rows: null,
    bytes: proof.bytes,
    estimated_bytes: null,
    bytes_per_second: proof.bytes_per_second,
    chunks_done: proof.chunks.done,
    chunks_total: proof.chunks.total,
    all_planned: proof.chunks.all_planned,
    eta_seconds: null,
  }
}

async function countBothSides({ postgres, clickhouse }: Servers): Promise<Counted[]> {
  return await Promise.all(
    SHOP_TABLES.map(async ({ name }) => {
      const [source] = await postgres.query<{ n: string }>(`SELECT count(*) AS n FROM "${name.replaceAll('"', '""')}"`, SHOP_DATABASE)
      const destination = await clickhouse.query(`SELECT count() FROM ${DESTINATION_DATABASE}.${destinationTable(name)}`).catch(() => 'NaN')
      return { table: name, source: Number(source?.n), destination: Number(destination) }
    }),
  )
}

function report({ sluice }: Servers, receipt: Receipt, counted: Counted[]): void {
  say(`\nRows, asked from both servers directly`)
  say(countsTable(counted))
  say(`\nReceipt of execution ${receipt.execution_id}: ${receipt.status} in ${receipt.duration_seconds} s`)
  say(receiptTable(receipt))
  say(`  whole: ${sluice.url}/ingest/executions/${receipt.execution_id}`)
}

function sayHowToCall(servers: Servers): void {
  const body = { ...requestBody(servers), identity: 'by-hand', resources: [{ source_table_name: 'users' }] }
  say('\nBy hand:\n')
  say(`  curl -X POST ${servers.sluice.url}/ingest \\`)
  say(`    -H 'Content-Type: application/json' \\`)
  say(`    -d '${indent(JSON.stringify(body, null, 2)).trimStart()}'`)
  say(`\n  What it would do, without doing it: the same with ${servers.sluice.url}/ingest?dry_run=1`)
  say(`  A look at the result: curl '${servers.clickhouse.url}/' -d 'SELECT * FROM ${DESTINATION_DATABASE}.users LIMIT 3 FORMAT Vertical'`)
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')
}
