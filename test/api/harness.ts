import { createApp } from '../../src/api/app.ts'
import type { AuthSettings } from '../../src/api/auth.ts'
import type { ApiSettings } from '../../src/api/dialect.ts'
import type { Json } from '../../src/core/chunk.ts'
import { FakeOperations, STARTED_MS } from './fake-operations.ts'

export const OPEN: AuthSettings = { mode: 'open', apiKeys: [], hmacClients: [], hmacRequired: false }
export const SCHEMES: ApiSettings['schemes'] = {
  source: ['postgres', 'postgresql', 'clickhouse', 's3', 'http', 'https'],
  // As if a build had it: the examples of the API name it.
  destination: ['clickhouse', 'duckdb'],
}

export interface Harness {
  operations: FakeOperations
  logged: { event: string; fields: Record<string, Json> }[]
  /** Every text an answer or log line has shown. */
  seen: string[]
  clock: { nowMs: number; slept: number[] }
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  fetch(request: Request): Promise<Response>
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  /** The text as JSON; undefined when it is none. */
  body: unknown
}

/** The whole app over a fake engine; time passes only while somebody sleeps. */
export function harness(auth: Partial<AuthSettings> = {}, origin = 'http://localhost:8787'): Harness {
  const operations = new FakeOperations()
  const logged: Harness['logged'] = []
  const seen: string[] = []
  const clock = { nowMs: STARTED_MS, slept: [] as number[] }
  const app = createApp({
    operations,
    settings: { auth: { ...OPEN, ...auth }, schemes: SCHEMES },
    edges: {
      nowMs: () => clock.nowMs,
      sleep: async (ms) => {
        clock.nowMs += ms
        clock.slept.push(ms)
      },
      log: (event, fields) => {
        logged.push({ event, fields })
        seen.push(JSON.stringify(fields))
      },
    },
  })
  const fetch = async (request: Request) => await app.fetch(request)
  return {
    operations,
    logged,
    seen,
    clock,
    fetch,
    async send(method, path, body, headers = {}) {
      const payload = body === undefined || typeof body === 'string' ? (body as string | undefined) : JSON.stringify(body)
      const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
      const response = await fetch(new Request(origin + path, { method, body: payload, headers: { ...type, ...headers } }))
      const text = await response.text()
      seen.push(text, JSON.stringify([...response.headers]))
      const json = response.headers.get('content-type')?.includes('json')
      return { status: response.status, headers: response.headers, text, body: json ? JSON.parse(text) : undefined }
    },
  }
}

/** A request that is fine, to be spoilt by each test in its own way. */
export function validBody(overrides: Record<string, unknown> = {}) {
  return {
    identity: 'fgXOw4zY',
    source_uri: 'postgresql://postgres:p4ss-w0rd@localhost:5432/db_name',
    destination_uri: 'clickhouse://default:t0p-secret@localhost:9000/db_name?http_port=8123&secure=0',
    resources: [{ source_table_name: 'users' }],
    ...overrides,
  }
}

export function resourceWith(overrides: Record<string, unknown>) {
  return validBody({ resources: [{ source_table_name: 'users', ...overrides }] })
}
