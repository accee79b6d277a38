import { describe, expect, test } from 'vitest'
import type { ApiSettings, DialectContext } from '../../src/api/dialect.ts'
import { ingestDialect } from '../../src/api/ingest/dialect.ts'
import { FakeOperations } from './fake-operations.ts'
import { harness, OPEN, SCHEMES } from './harness.ts'

const settings: ApiSettings = { auth: OPEN, schemes: SCHEMES }
const context: DialectContext = {
  operations: new FakeOperations(),
  settings,
  edges: { nowMs: () => 0, sleep: async () => {}, log: () => {} },
}
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** Every route, every known path with a method it does not have, and paths that do not exist. */
const known = ingestDialect.routes(context)
const paths = [...new Set(known.map(({ path }) => path))]
const unknown = ingestDialect.basePaths.flatMap((base) => [
  `${base}/`,
  `${base}/nothing/at/all`,
  `${base}/executions/x/y`,
  `${base}/..%2f..`,
])
const table = [...paths.map((path) => path.replace(/:\w+/g, 'x')), ...unknown].flatMap((path) =>
  METHODS.map((method): [string, string] => [method, path]),
)

describe('every route × no credential', () => {
  test('the table holds what the API is known for', () => {
    expect(known.map(({ method, path }) => `${method} ${path}`)).toEqual(
      expect.arrayContaining([
        'POST /ingest',
        'POST /ferry',
        'GET /ferry/:identity/observe',
        'GET /ingest/:identity/observe',
        'GET /schema',
      ]),
    )
    expect(known.length).toBeGreaterThan(13)
  })

  test.each(table)('%s %s is 401, or 400 where requests are signed, in the shape of the API', async (method, path) => {
    const body = method === 'GET' ? undefined : '{"identity": broken'
    const plain = await harness({ mode: 'required' }).send(method, path, body)
    expect([plain.status, plain.body]).toEqual([401, { detail: 'Not authenticated' }])
    const signing = await harness({ mode: 'required', hmacClients: [{ id: 'a', secret: 'b' }] }).send(method, path, body)
    expect([signing.status, signing.body]).toEqual([400, { detail: 'Missing authentication headers' }])
  })

  test.each(paths)('%s tells the methods it has', async (path) => {
    const allowed = known.filter((route) => route.path === path).map(({ method }) => method as string)
    for (const method of METHODS.filter((candidate) => !allowed.includes(candidate))) {
      const answer = await harness().send(method, path.replace(/:\w+/g, 'x'), method === 'GET' ? undefined : '{}')
      expect([answer.status, answer.body, answer.headers.get('allow')]).toEqual([405, { detail: 'Method Not Allowed' }, allowed.join(', ')])
    }
  })

  test.each(unknown)('%s is 404 in the shape of the API', async (path) => {
    const answer = await harness().send('GET', path)
    expect([answer.status, answer.body]).toEqual([404, { detail: 'Not Found' }])
  })
})
