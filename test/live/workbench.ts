import pg from 'pg'
import { inject } from 'vitest'

/** What one live test file works with: databases of its own in the shared servers, and the shared service. */
export interface Workbench {
  /** The service's address. */
  url: string
  sourceUri: string
  destinationUri: string
  /** Names of the databases. */
  postgres: string
  clickhouse: string
  /** Runs SQL in the source database; returns the rows of the last statement. */
  source<T = Record<string, unknown>>(sql: string): Promise<T[]>
  /** Runs SQL in the destination database. */
  destination<T = Record<string, string>>(sql: string): Promise<T[]>
  /** `POST /ingest` with both URIs filled in. */
  ingest(body: Record<string, unknown>, options?: { headers?: Record<string, string>; query?: string }): Promise<Answer>
  get(path: string): Promise<Answer>
  post(path: string, body?: unknown): Promise<Answer>
  /** Names of the tables in the destination database, staging included. */
  tables(): Promise<string[]>
  close(): Promise<void>
}

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a wire answer is looked into freely by tests
  body: any
}

let counter = 0

/** @param url another service than the shared one */
export async function workbench(name: string, url = inject('sluice').url): Promise<Workbench> {
  const { port, password } = inject('postgres')
  const clickhouseServer = inject('clickhouse')
  const database = `${name}_${process.pid}_${++counter}`
  const admin = `postgresql://postgres:${password}@127.0.0.1:${port}/`
  await run(`${admin}postgres`, `CREATE DATABASE "${database}"`)
  const query = async (sql: string) => {
    const response = await fetch(`${clickhouseServer.url}/?database=${database}`, { method: 'POST', body: sql })
    const text = await response.text()
    if (!response.ok) throw new Error(text)
    return text
  }
  const created = await fetch(clickhouseServer.url, { method: 'POST', body: `CREATE DATABASE ${database} ENGINE = Atomic` })
  if (!created.ok) throw new Error(await created.text())
  const sourceUri = `${admin}${database}`
  const destinationUri = `clickhouse://sluice:pass-word@127.0.0.1:9000/${database}?http_port=${clickhouseServer.port}&secure=0`

  const send = async (path: string, init: RequestInit, attempt = 1): Promise<Answer> => {
    const response = await fetch(url + path, init)
    const text = await response.text()
    // Every answer of the service has one. Without it the proxy of `wrangler dev` lost a kept-alive connection, and says
    // to send the request again; the key that `ingest` adds makes that safe, as it would for any client.
    if (!response.headers.has('x-request-id') && attempt < 3) return await send(path, init, attempt + 1)
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
  }
  const json = { 'content-type': 'application/json' }
  return {
    url,
    sourceUri,
    destinationUri,
    postgres: database,
    clickhouse: database,
    source: async <T>(sql: string) => (await run(sourceUri, sql)) as T[],
    async destination<T>(sql: string) {
      const text = await query(`${sql} FORMAT JSONEachRow`)
      return text === ''
        ? []
        : (text
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line)) as T[])
    },
    ingest: (body, options = {}) =>
      send(`/ingest${options.query ?? ''}`, {
        method: 'POST',
        headers: { ...json, ...('idempotency_key' in body ? {} : { 'idempotency-key': crypto.randomUUID() }), ...options.headers },
        body: JSON.stringify({ source_uri: sourceUri, destination_uri: destinationUri, ...body }),
      }),
    get: (path) => send(path, {}),
    post: (path, body) => send(path, { method: 'POST', headers: json, body: body === undefined ? undefined : JSON.stringify(body) }),
    async tables() {
      const text = await query(`SELECT name FROM system.tables WHERE database = '${database}' ORDER BY name FORMAT TSV`)
      return text === '' ? [] : text.trimEnd().split('\n')
    },
    async close() {
      await fetch(clickhouseServer.url, { method: 'POST', body: `DROP DATABASE IF EXISTS ${database} SYNC` })
      await run(`${admin}postgres`, `DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`)
    },
  }
}

async function run(uri: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: uri })
  client.on('error', () => {})
  await client.connect()
  try {
    const result = await client.query(sql)
    return (Array.isArray(result) ? result[result.length - 1] : result).rows
  } finally {
    await client.end()
  }
}
