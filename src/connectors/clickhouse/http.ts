import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client-web'
import type { Io } from '../../core/connector.ts'
import { IngestError, type Place } from '../../core/errors.ts'
import { IDLE_TIMEOUT_MS, REMOTE_MESSAGE_MAX_CHARS } from '../../limits.ts'
import { faultOfRefusal, type Refusal, unreachable } from './faults.ts'
import { prefixed } from './prefix-body.ts'
import { whileAnswering } from './while-answering.ts'

export interface Endpoint {
  /** `http://host:8123` */
  url: string
  user: string
  password: string
}

export type Settings = Record<string, string | number>

/** Longer statements travel in front of the data: the server's limit for a whole URL is 1 MiB, proxies stop far earlier. */
const STATEMENT_IN_URL_MAX_CHARS = 8_000
/** Statements that commit may run this long on big tables. */
const STATEMENT_TIMEOUT_MS = 15 * 60_000
/** How long a cancelled load waits for the server to hear of it. */
const UNCANCELLED_TIMEOUT_MS = 2_000
/** Tables of 1,600 columns need longer statements than ClickHouse allows by default. */
const STATEMENT_LIMITS: Settings = { max_query_size: 16 * 1024 * 1024, max_ast_elements: 2_000_000, max_expanded_ast_elements: 4_000_000 }

export interface InsertCall {
  statement: string
  queryId: string
  settings: Settings
  compression: 'none' | 'gzip' | 'zstd'
  body: ReadableStream<Uint8Array>
  signal: AbortSignal
  /** For messages about guarded values. */
  columns: readonly string[]
}

/** The HTTP interface of one server as one user: statements through the vendor's client, bytes through a fetch of their own. */
export class ClickHouseHttp {
  readonly place: Place
  private readonly endpoint: Endpoint
  private readonly io: Io
  private readonly client: ClickHouseClient

  constructor(endpoint: Endpoint, io: Io) {
    this.endpoint = endpoint
    this.io = io
    this.place = { side: 'destination', system: 'clickhouse', address: endpoint.url }
    this.client = createClient({
      url: endpoint.url,
      request_timeout: STATEMENT_TIMEOUT_MS,
      keep_alive: { enabled: false },
      log: { level: ClickHouseLogLevel.OFF },
      fetch: (input: string | URL | Request, init?: RequestInit) => this.send(input, init ?? {}),
      clickhouse_settings: { output_format_json_quote_64bit_integers: 1, ...STATEMENT_LIMITS },
    })
  }

  /** Rows of a SELECT; 64-bit integers arrive as strings. */
  async rows<T>(query: string, settings: Settings = {}): Promise<T[]> {
    return await this.call(async (abort_signal) => {
      const result = await this.client.query({ query, format: 'JSONEachRow', clickhouse_settings: settings, abort_signal })
      return await result.json<T>()
    })
  }

  /** The only row of a SELECT that always has one. */
  async row<T>(query: string, settings: Settings = {}): Promise<T> {
    const [first] = await this.rows<T>(query, settings)
    if (first === undefined) throw new IngestError({ tag: 'internal', message: 'ClickHouse answered no row where one is certain' })
    return first
  }

  /** A statement without an answer; returns once it is done. */
  async run(query: string, settings: Settings = {}): Promise<void> {
    await this.call((abort_signal) =>
      this.client.command({ query, clickhouse_settings: { ...settings, wait_end_of_query: 1 }, abort_signal }),
    )
  }

  /** A short statement that also goes out after a cancel: it is what stops the server. */
  async runUncancelled(query: string): Promise<void> {
    await this.client.command({ query, abort_signal: AbortSignal.timeout(UNCANCELLED_TIMEOUT_MS) })
  }

  /** Streams bytes into an INSERT and returns the rows that ClickHouse wrote; the stream is handed to fetch as it is. */
  async insert(call: InsertCall): Promise<number> {
    const url = new URL(this.endpoint.url)
    for (const [name, value] of Object.entries({ ...call.settings, ...STATEMENT_LIMITS })) url.searchParams.set(name, String(value))
    url.searchParams.set('wait_end_of_query', '1')
    url.searchParams.set('async_insert', '0')
    url.searchParams.set('query_id', call.queryId)
    const inUrl = call.statement.length <= STATEMENT_IN_URL_MAX_CHARS
    if (inUrl) url.searchParams.set('query', call.statement)
    let body = call.body
    if (!inUrl) body = prefixed(await compressed(`${call.statement}\n`, call.compression), call.body, this.io)
    const init: RequestInit = {
      method: 'POST',
      body,
      signal: call.signal,
      headers: call.compression === 'none' ? {} : { 'content-encoding': call.compression },
    }
    const response = await this.whileAnswering(this.send(url, init, call.columns))
    await response.body?.cancel()
    const summary: { written_rows?: string } = JSON.parse(response.headers.get('x-clickhouse-summary') ?? '{}')
    return Number(summary.written_rows)
  }

  /** Runs one request under the cancel signal of the caller; the library overwrites `onabort`, so each gets a signal of its own. */
  private async call<T>(request: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    const abort = () => controller.abort()
    if (this.io.signal.aborted) throw new IngestError({ tag: 'cancelled' })
    this.io.signal.addEventListener('abort', abort, { once: true })
    try {
      return await this.whileAnswering(request(controller.signal))
    } catch (cause) {
      abort()
      if (this.io.signal.aborted) throw new IngestError({ tag: 'cancelled' }, { cause })
      if (cause instanceof IngestError) throw cause
      throw unreachable(cause, this.place)
    } finally {
      this.io.signal.removeEventListener('abort', abort)
    }
  }

  private whileAnswering<T>(work: Promise<T>): Promise<T> {
    const idleTimeoutMs = this.io.idleTimeoutMs ?? IDLE_TIMEOUT_MS
    const ping = async (signal: AbortSignal) => {
      const answer = await this.io.fetch(`${this.endpoint.url}/ping`, { signal, redirect: 'manual' })
      await answer.body?.cancel()
    }
    return whileAnswering(work, idleTimeoutMs, ping, () => unreachable(new Error(`silent for ${idleTimeoutMs / 1000} s`), this.place))
  }

  private async send(input: string | URL | Request, init: RequestInit, columns: readonly string[] = []): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.delete('authorization')
    if (/^[\x20-\x7e]*$/.test(this.endpoint.user + this.endpoint.password)) {
      headers.set('x-clickhouse-user', this.endpoint.user)
      headers.set('x-clickhouse-key', this.endpoint.password)
    } else {
      headers.set('authorization', `Basic ${base64(`${this.endpoint.user}:${this.endpoint.password}`)}`)
    }
    let response: Response
    try {
      response = await this.io.fetch(input, { ...init, headers, redirect: 'manual' })
    } catch (cause) {
      throw cause instanceof IngestError ? cause : unreachable(cause, this.place)
    }
    const code = response.headers.get('x-clickhouse-exception-code')
    if (response.ok && code === null) return response
    throw new IngestError(faultOfRefusal(await refusalOf(response, code), this.place, columns))
  }
}

async function refusalOf(response: Response, code: string | null): Promise<Refusal> {
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN)
  return {
    httpStatus: response.status,
    ...(code === null ? {} : { code: Number(code) }),
    text: await beginningOf(response),
    ...(Number.isFinite(retryAfter) ? { retryAfterSeconds: retryAfter } : {}),
  }
}

/** Parse errors quote rows before they name the column: read more than a message keeps, never all of it. */
async function beginningOf(response: Response): Promise<string> {
  const limit = REMOTE_MESSAGE_MAX_CHARS * 64
  let text = ''
  try {
    const decoder = new TextDecoder()
    for await (const bytes of response.body ?? []) {
      text += decoder.decode(bytes, { stream: true })
      if (text.length > limit) break
    }
  } catch {
    // A connection that breaks after the beginning of a message still gave us the beginning.
  }
  return text.slice(0, limit)
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}

/** ClickHouse reads concatenated gzip members and zstd frames as one text, so the statement can travel as its own. */
async function compressed(text: string, compression: 'none' | 'gzip' | 'zstd'): Promise<Uint8Array> {
  const bytes = new TextEncoder().encode(text)
  if (compression === 'none') return bytes
  if (compression === 'zstd') return storedZstdFrame(bytes)
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}

/** RFC 8878: a frame of raw blocks, for a platform without a zstd compressor. */
export function storedZstdFrame(bytes: Uint8Array): Uint8Array {
  const blockMax = 128 * 1024
  const parts: Uint8Array[] = []
  // Magic number, then a descriptor: no checksum, no dictionary, a window of 1 MiB (exponent 10), no content size.
  parts.push(new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0x00, 10 << 3]))
  for (let at = 0; at < bytes.length || at === 0; at += blockMax) {
    const block = bytes.subarray(at, at + blockMax)
    const header = (block.length << 3) | (at + blockMax >= bytes.length ? 1 : 0)
    parts.push(new Uint8Array([header & 0xff, (header >> 8) & 0xff, (header >> 16) & 0xff]), block)
  }
  const frame = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    frame.set(part, at)
    at += part.length
  }
  return frame
}
