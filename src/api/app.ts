import { type Context, Hono } from 'hono'
import type { Operations } from '../operations/operations.ts'
import { type ApiEdges, type ApiSettings, type AppEnv, type Dialect, logInternal, mount } from './dialect.ts'
import { ingestDialect } from './ingest/dialect.ts'
import { describeApi } from './openapi.ts'
import { requestIdOf } from './request-id.ts'

/** A new API is one folder and one line here. */
const DIALECTS: readonly Dialect[] = [ingestDialect]

export interface AppOptions {
  operations: Operations
  settings: ApiSettings
  edges?: Partial<ApiEdges>
}

/** The whole HTTP side. Holds no state of its own, so one app may serve every request of an isolate. */
export function createApp({ operations, settings, edges }: AppOptions): Hono<AppEnv> {
  const context = { operations, settings, edges: { ...platformEdges, ...edges } }
  const app = new Hono<AppEnv>()

  app.use('*', async (c, next) => {
    c.set('requestId', requestIdOf(c.req.raw.headers))
    await next()
    c.res.headers.set('x-request-id', c.get('requestId'))
    c.res.headers.set('x-content-type-options', 'nosniff')
    if (!c.res.headers.has('cache-control')) c.res.headers.set('cache-control', 'no-store')
  })

  readOnly(app, '/', () => ({
    service: 'sluice',
    apis: DIALECTS.map(({ name, summary, basePaths }) => ({ name, summary, paths: basePaths })),
    openapi: '/openapi.json',
    health: '/healthz',
  }))
  readOnly(app, '/healthz', () => ({ status: 'ok' }))
  readOnly(app, '/openapi.json', () => describeApi(DIALECTS, context))

  for (const dialect of DIALECTS) mount(app, dialect, context)

  app.notFound((c) => plainError(c, 404, 'not-found', `There is nothing at ${new URL(c.req.url).pathname}.`))
  app.onError((error, c) => {
    logInternal(error, c, context.edges)
    return plainError(c, 500, 'internal', 'An internal server error occurred')
  })
  return app
}

/** What anybody may see without a credential. */
function readOnly(app: Hono<AppEnv>, path: string, body: () => object): void {
  app.get(path, (c) => c.json(body()))
  app.all(path, (c) => plainError(c, 405, 'method-not-allowed', 'Only GET can be used here.', { allow: 'GET' }))
}

function plainError(
  c: Context<AppEnv>,
  status: 404 | 405 | 500,
  error: string,
  message: string,
  headers?: Record<string, string>,
): Response {
  return c.json({ error, message, request_id: c.get('requestId') }, status, headers)
}

const platformEdges: ApiEdges = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal.addEventListener('abort', done)
    }),
  log: (event, fields) => console.error(JSON.stringify({ event, ...fields })),
}
