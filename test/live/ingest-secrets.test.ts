import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { ClickHouseServer } from '../support/servers/clickhouse.ts'
import { eventually } from '../support/servers/ports.ts'
import { S3Double } from '../support/servers/s3-double.ts'
import { Sluice } from '../support/servers/sluice.ts'
import { type Answer, type Workbench, workbench } from './workbench.ts'

/** Values that occur nowhere else, with characters that URIs, JSON and base64 change. */
const SECRETS = {
  postgres: 'Kanari/pg+7qX"é%&w0rd',
  wrongPostgres: 'Kanari?wrong=pg#5tK',
  clickhouse: 'Kanari/ch+4vB&n0te',
  wrongClickhouse: 'Kanari:wrong@ch/8hM',
  s3: 'Kanari/s3+secret=9zQ',
  wrongS3: 'Kanari+wrong/s3=2yT',
  basic: 'Kanari:basic/6uR',
  signature: 'KanariSignature3wL',
  apiKey: 'kanari-api-key-1mN',
  hmac: 'kanari-hmac-secret-0pS',
}
const masterKey = Buffer.from('kanari-master-key-of-32-bytes-8k').toString('base64')

let sluice: Sluice
let bench: Workbench
let clickhouse: ClickHouseServer
let s3: S3Double
let web: Server
let webPort: number
const ROLE = `canary_${process.pid}`
/** Every body and every header that the service answered. */
const answers: string[] = []

beforeAll(async () => {
  sluice = await Sluice.start({
    vars: {
      API_KEYS: JSON.stringify([{ id: 'canary', sha256: createHash('sha256').update(SECRETS.apiKey).digest('hex') }]),
      HMAC_CLIENTS: JSON.stringify([{ id: 'canary', secret: SECRETS.hmac }]),
      MASTER_KEYS: `k1:${masterKey}`,
    },
  })
  bench = await workbench('secrets', sluice.url)
  clickhouse = await ClickHouseServer.start({ users: [{ name: 'canary', password: SECRETS.clickhouse.replaceAll('&', '&amp;') }] })
  await clickhouse.query('CREATE DATABASE dw ENGINE = Atomic')
  s3 = await S3Double.start({ identities: [{ accessKeyId: 'AKIACANARY', secretAccessKey: SECRETS.s3 }] })
  s3.put('lake', 'ok.csv', 'id\n1\n2\n')
  s3.put('lake', 'book.xlsx', 'PK')
  web = createServer((request, response) => {
    const right = request.headers.authorization === `Basic ${Buffer.from(`u:${SECRETS.basic}`).toString('base64')}`
    response.writeHead(right ? 200 : 401).end(right ? 'id\n1\n' : '')
  })
  web.listen(0, '127.0.0.1')
  await once(web, 'listening')
  webPort = (web.address() as AddressInfo).port
  await bench.source(`
    CREATE ROLE ${ROLE} LOGIN PASSWORD '${SECRETS.postgres}';
    CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users SELECT g, 'user ' || g FROM generate_series(1, 50) g;
    CREATE TABLE ancient AS SELECT date '0044-03-15 BC' AS day;
    CREATE VIEW slow AS SELECT g AS id, repeat('x', 3000) || pg_sleep(0.05)::text AS s FROM generate_series(1, 1000) g;
    CREATE TABLE forbidden (id int);
    GRANT SELECT ON users, ancient, slow TO ${ROLE}`)
})
afterAll(async () => {
  web.closeAllConnections()
  web.close()
  await s3.stop()
  await bench.source(`DROP OWNED BY ${ROLE}; DROP ROLE ${ROLE}`)
  await bench.close()
  await sluice.stop()
  await clickhouse.stop()
})

function sourceUri(password: string, rest = ''): string {
  const { port } = inject('postgres')
  return `postgresql://${ROLE}:${encodeURIComponent(password)}@127.0.0.1:${port}/${bench.postgres}${rest}`
}

function destinationUri(password: string, rest = ''): string {
  return `clickhouse://canary:${encodeURIComponent(password)}@127.0.0.1:9000/dw?http_port=${clickhouse.port}&secure=0${rest}`
}

async function say(path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(sluice.url + path, init)
  const text = await response.text()
  answers.push(`${path} ${response.status} ${JSON.stringify([...response.headers])} ${text}`)
  let body: unknown = text
  try {
    body = JSON.parse(text)
  } catch {
    // An event stream.
  }
  return { status: response.status, headers: response.headers, body }
}

async function ingest(body: Record<string, unknown>, headers: Record<string, string> = {}, query = ''): Promise<Answer> {
  const whole = {
    identity: 'canary',
    source_uri: sourceUri(SECRETS.postgres),
    destination_uri: destinationUri(SECRETS.clickhouse),
    resources: [{ source_table_name: 'users' }],
    ...body,
  }
  return await say(`/ingest${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(whole),
  })
}

/** How a secret could be written: as it is, percent-encoded, in JSON, and in base64 at each of the three alignments. */
function disguises(secret: string): string[] {
  const bytes = Buffer.from(secret)
  const inBase64 = [0, 1, 2].flatMap((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    // The characters at both ends also depend on the neighbours.
    const inner = text.slice(offset === 0 ? 0 : offset + 1, bytes.length % 3 === 0 && offset === 0 ? undefined : -2)
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')]
  })
  const plain = [secret, encodeURIComponent(secret), encodeURI(secret), JSON.stringify(secret).slice(1, -1), secret.replaceAll('"', '\\"')]
  return [...new Set([...plain, ...inBase64, bytes.toString('hex')])]
}

/** Which secrets appear in `bytes`, named, not shown. */
function leaksIn(bytes: Buffer): string[] {
  return Object.entries({ ...SECRETS, masterKey })
    .filter(([, secret]) => disguises(secret).some((text) => bytes.includes(text)))
    .map(([name]) => name)
}

/** Every file the service keeps: D1, objects, their journals, and its log. */
function leaksOnDisk(): string[] {
  const files = readdirSync(sluice.dataDir, { recursive: true, encoding: 'utf8' })
  const found: string[] = []
  let seen = 0
  for (const name of files) {
    const path = join(sluice.dataDir, name)
    try {
      if (!statSync(path).isFile()) continue
      for (const leak of leaksIn(readFileSync(path))) found.push(`${leak} in ${name}`)
      seen++
    } catch (error) {
      // Journals of databases come and go while the service works.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  expect(files.some((name) => name.endsWith('.sqlite'))).toBe(true)
  expect(files).toContain('output.log')
  expect(seen).toBeGreaterThan(5)
  return found
}

it('the search itself finds every disguise', () => {
  for (const [name, secret] of Object.entries(SECRETS)) {
    const hidden = [
      secret,
      encodeURIComponent(secret),
      JSON.stringify({ secret }),
      Buffer.from(`u:${secret}`).toString('base64'),
      Buffer.from(`ab${secret}cd`).toString('base64url'),
    ]
    for (const text of hidden) expect([text, leaksIn(Buffer.from(`… ${text} …`))]).toEqual([text, expect.arrayContaining([name])])
  }
})

it('F31: no password appears in any answer, log line or stored file, during a run and after every kind of end', async () => {
  const s3Uri = (secret: string) =>
    `s3://lake?access_key_id=AKIACANARY&access_key_secret=${encodeURIComponent(secret)}&endpoint_url=${s3.url}`
  const refused: [string, Record<string, unknown>][] = [
    ['wrong Postgres password', { source_uri: sourceUri(SECRETS.wrongPostgres) }],
    ['wrong ClickHouse password', { destination_uri: destinationUri(SECRETS.wrongClickhouse) }],
    ['wrong S3 secret', { source_uri: s3Uri(SECRETS.wrongS3), resources: [{ source_table_name: 'ok.csv' }] }],
    ['unreachable source', { source_uri: sourceUri(SECRETS.postgres).replace(/:\d+\//, ':1/') }],
    ['unreachable destination', { destination_uri: destinationUri(SECRETS.clickhouse).replace(/http_port=\d+/, 'http_port=1') }],
    ['unknown database', { source_uri: sourceUri(SECRETS.postgres).replace(bench.postgres, 'nowhere') }],
    ['unknown option', { source_uri: sourceUri(SECRETS.postgres, `?password=${encodeURIComponent(SECRETS.wrongPostgres)}`) }],
    ['unknown option at the destination', { destination_uri: destinationUri(SECRETS.clickhouse, `&token=${SECRETS.signature}`) }],
    ['unknown option of S3', { source_uri: `${s3Uri(SECRETS.s3)}&secret_key=${encodeURIComponent(SECRETS.wrongS3)}` }],
    ['not encoded', { source_uri: `postgresql://${ROLE}:${SECRETS.postgres}@127.0.0.1/x` }],
    ['broken encoding', { destination_uri: `clickhouse://canary:${SECRETS.clickhouse}%zz@127.0.0.1/dw` }],
    ['unknown scheme', { source_uri: `oracle://u:${encodeURIComponent(SECRETS.postgres)}@h/x` }],
    ['credentials in the place of a bucket', { source_uri: `s3://AKIACANARY:${encodeURIComponent(SECRETS.s3)}@lake` }],
    ['not a valid field', { resources: [], source_uri: sourceUri(SECRETS.postgres) }],
    ['a secret as another field', { identity: 5, dataset: SECRETS.postgres, dataset_name: 'x' }],
    ['missing table', { resources: [{ source_table_name: 'nothing' }] }],
    ['no right to read', { resources: [{ source_table_name: 'forbidden' }] }],
    ['bad value', { resources: [{ source_table_name: 'ancient' }] }],
    ['another suffix', { source_uri: s3Uri(SECRETS.s3), resources: [{ source_table_name: 'book.xlsx' }] }],
    ['wrong password of a web server', { source_uri: `http://u:${encodeURIComponent(SECRETS.wrongS3)}@127.0.0.1:${webPort}/x.csv` }],
    ['forbidden address', { source_uri: sourceUri(SECRETS.postgres).replace('127.0.0.1', '10.1.2.3') }],
  ]
  const loaded: [string, Record<string, unknown>][] = [
    ['Postgres', {}],
    ['S3', { source_uri: s3Uri(SECRETS.s3), resources: [{ source_table_name: 'ok.csv' }] }],
    [
      'a signed address with a password',
      {
        source_uri: `http://u:${encodeURIComponent(SECRETS.basic)}@127.0.0.1:${webPort}/x.csv?X-Amz-Signature=${SECRETS.signature}`,
        resources: [{ source_table_name: 'x.csv' }],
      },
    ],
    ['with a cursor', { resources: [{ source_table_name: 'users', incremental_config: { incremental_key: 'id' } }] }],
  ]
  for (const [name, body] of loaded) {
    const answer = await ingest(body, {}, '')
    expect([name, answer.status, answer.body.status]).toEqual([name, 200, 'success'])
  }
  for (const [name, body] of refused) {
    const answer = await ingest({ identity: name, ...body })
    expect([name, answer.status >= 400]).toEqual([name, true])
    await ingest({ identity: name, ...body }, {}, '?dry_run=1')
    await say(`/ingest/${encodeURIComponent(name)}/observe`)
    if (answer.body.execution_id) await say(`/ingest/executions/${answer.body.execution_id}`)
  }
  // Broken bodies and credentials of our own.
  const uri = sourceUri(SECRETS.postgres)
  await say('/ingest', { method: 'POST', headers: { 'content-type': 'application/json' }, body: `{"source_uri": "${uri}",}` })
  await say('/ingest', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: uri })
  await say(`/ingest/executions/x`, { headers: { authorization: `Bearer ${SECRETS.apiKey}` } })
  await say(`/ingest/executions/x`, { headers: { authorization: `Bearer ${SECRETS.apiKey}2` } })
  await say(`/schema?pipeline_name=canary`, { headers: { 'x-api-key': SECRETS.apiKey } })
  const idempotent = { 'idempotency-key': 'canary' }
  await ingest({}, idempotent)
  await ingest({ source_uri: sourceUri(SECRETS.wrongPostgres) }, idempotent)

  // While a run goes on, its command is stored; then it is cancelled.
  const slow = await ingest({ identity: 'slow', resources: [{ source_table_name: 'slow' }] }, { prefer: 'respond-async' })
  const path = `/ingest/executions/${slow.body.execution_id}`
  await eventually('it copies', 60_000, async () => {
    const { body } = await say(path)
    return body.receipt.resources[0].phase === 'copying' && body.receipt.resources[0].bytes > 0 ? true : undefined
  })
  expect(leaksOnDisk()).toEqual([])
  const following = say(`${path}/events`)
  await say(`${path}/cancel`, { method: 'POST' })
  await following
  await eventually('its end', 30_000, async () => ((await say(path)).body.status === 'processing' ? undefined : true))
  await say(`${path}/chunks`)

  expect(answers.flatMap((text) => leaksIn(Buffer.from(text)).map((leak) => `${leak} in ${text.slice(0, 60)}`))).toEqual([])
  await eventually('the log is written', 10_000, async () =>
    readFileSync(sluice.logFile, 'utf8').includes('execution ended') ? true : undefined,
  )
  expect(leaksOnDisk()).toEqual([])
})
