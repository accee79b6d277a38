import type { Context, Hono } from 'hono'
import type { z } from 'zod'
import type { Json } from '../core/chunk.ts'
import { type Fault, faultOf, IngestError } from '../core/errors.ts'
import { redact } from '../core/redact.ts'
import { REQUEST_MAX_BYTES } from '../limits.ts'
import type { Caller, Operations } from '../operations/operations.ts'
import { type AuthSettings, authenticate } from './auth.ts'
import { readBody } from './read-body.ts'

export interface ApiSettings {
  auth: AuthSettings
  /** URI schemes this build can open, without the colon. */
  schemes: { source: readonly string[]; destination: readonly string[] }
}

/** What the HTTP side touches outside itself; tests pass their own. */
export interface ApiEdges {
  nowMs(): number
  /** Resolves after `ms`, or at once when `signal` is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
  log(event: string, fields: Record<string, Json>): void
}

export interface DialectContext {
  operations: Operations
  settings: ApiSettings
  edges: ApiEdges
}

/** What a handler is given: authenticated, path parameters decoded, body bounded. */
export interface ApiRequest {
  raw: Request
  url: URL
  params: Record<string, string>
  caller: Caller
  /** Of a signed request, see `Authenticated`. */
  signature?: string
  /** Aborted when the client leaves. */
  signal: AbortSignal
  /** Read at most once, however often it is called. Throws `too-large`. */
  body(): Promise<Uint8Array>
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** One operation of an API: how it is reached, how it is described, what it does. */
export interface Route {
  method: Method
  /** `:name` stands for one segment of the path. Of two routes that match, the first in the list answers. */
  path: string
  doc: RouteDoc
  handle(request: ApiRequest): Promise<Response>
}

export interface RouteDoc {
  operationId: string
  summary: string
  description?: string
  /** Descriptions of path parameters by name. */
  params?: Record<string, string>
  query?: Record<string, { description: string; required?: boolean; schema: z.ZodType }>
  headers?: Record<string, string>
  /** Name in `Dialect.schemas`. */
  requestBody?: string
  responses: Record<string, { description: string; schema?: string; mediaType?: string }>
}

export interface WireError {
  status: number
  headers?: Record<string, string>
  body: unknown
}

/** One public API: where it lives and how it words things. It translates; operations decide. */
export interface Dialect {
  readonly name: string
  /** Every path at or below one of these is answered by this dialect alone, errors included. */
  readonly basePaths: readonly string[]
  readonly summary: string
  routes(context: DialectContext): Route[]
  /** Request and response bodies by name, for the API description. */
  schemas(settings: ApiSettings): Record<string, z.ZodType>
  /** Exhaustive over fault tags. */
  toWire(fault: Fault, settings: ApiSettings): WireError
}

export interface AppEnv {
  Variables: { requestId: string }
}

/** Adds a dialect's routes, and its own 401, 404, 405, 413 and 500, to the app. */
export function mount(app: Hono<AppEnv>, dialect: Dialect, context: DialectContext): void {
  const routes = dialect.routes(context)
  for (const route of routes) app.on(route.method, route.path, (c) => answer(c, dialect, context, route.handle))

  const methods = new Map<string, string[]>()
  for (const { path, method } of routes) methods.set(path, [...(methods.get(path) ?? []), method])
  for (const [path, allowed] of methods) {
    app.all(path, (c) => answer(c, dialect, context, () => refuse({ tag: 'method-not-allowed', allowed })))
  }
  for (const basePath of dialect.basePaths) {
    const unknown = (c: Context<AppEnv>) =>
      answer(c, dialect, context, ({ url }) => refuse({ tag: 'not-found', what: 'route', id: url.pathname }))
    app.all(basePath, unknown)
    app.all(`${basePath}/*`, unknown)
  }
}

function refuse(fault: Fault): never {
  throw new IngestError(fault)
}

async function answer(
  c: Context<AppEnv>,
  dialect: Dialect,
  { settings, edges }: DialectContext,
  handle: Route['handle'],
): Promise<Response> {
  const raw = c.req.raw
  try {
    let pending: Promise<Uint8Array> | undefined
    const body = () => {
      pending ??= readBody(raw, REQUEST_MAX_BYTES)
      return pending
    }
    const { caller, signature } = await authenticate(raw, settings.auth, edges.nowMs(), body)
    return await handle({ raw, url: new URL(raw.url), params: c.req.param(), caller, signature, signal: raw.signal, body })
  } catch (error) {
    const fault = faultOf(error)
    if (fault.tag === 'internal') logInternal(error, c, edges)
    const { status, headers, body } = dialect.toWire(fault, settings)
    return Response.json(body, { status, headers })
  }
}

/** The one place where an unexpected error is logged. */
export function logInternal(error: unknown, c: Context<AppEnv>, edges: ApiEdges): void {
  edges.log('request-failed', {
    requestId: c.get('requestId'),
    method: c.req.method,
    path: new URL(c.req.url).pathname,
    error: redact(error instanceof Error ? (error.stack ?? error.message) : String(error)),
    cause: error instanceof Error && error.cause !== undefined ? redact(String(error.cause)) : null,
  })
}
