import { describe, expect, test } from 'vitest'
import { REQUEST_MAX_BYTES } from '../../src/limits.ts'
import { harness, validBody } from './harness.ts'

describe('the service as a whole', () => {
  test('it says what it is and that it is well, without a credential', async () => {
    const { send } = harness({ mode: 'required' })
    expect((await send('GET', '/')).body).toMatchObject({
      service: 'sluice',
      apis: [{ name: 'ingest', paths: ['/ingest', '/ferry', '/schema'] }],
    })
    expect((await send('GET', '/healthz')).body).toEqual({ status: 'ok' })
    expect((await send('GET', '/openapi.json')).status).toBe(200)
    const refused = await send('POST', '/healthz')
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET'])
  })

  test.each(['/nothing', '/ingests', '/ferryboat', '/v2/unknown', '/ingest%2Fx'])('%s is a plain 404', async (path) => {
    const answer = await harness({ mode: 'required' }).send('GET', path, undefined, { 'x-request-id': 'abc' })
    expect([answer.status, answer.body]).toEqual([404, { error: 'not-found', message: `There is nothing at ${path}.`, request_id: 'abc' }])
  })

  test('every answer carries a request id: the one that came, if it is sane, else a new one', async () => {
    const { send } = harness({ mode: 'required' })
    expect((await send('GET', '/ingest', undefined, { 'x-request-id': 'trace-1.2:3' })).headers.get('x-request-id')).toBe('trace-1.2:3')
    for (const odd of ['', 'a b', 'x'.repeat(129), '<script>']) {
      const given = (await send('GET', '/nothing', undefined, { 'x-request-id': odd })).headers.get('x-request-id')
      expect(given).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/)
    }
  })

  test('a body above the limit is 413 in the shape of its API', async () => {
    const { send, operations } = harness()
    const answer = await send('POST', '/ingest', validBody({ filler: 'x'.repeat(REQUEST_MAX_BYTES) }))
    expect([answer.status, answer.body]).toEqual([413, { detail: `The request is larger than ${REQUEST_MAX_BYTES} bytes.` }])
    expect(operations.started).toEqual([])
  })

  test('too much under way is 429 with the time to wait', async () => {
    const { send, operations } = harness()
    const { IngestError } = await import('../../src/core/errors.ts')
    operations.startFault = new IngestError({ tag: 'overloaded', retryAfterSeconds: 1.5 })
    const answer = await send('POST', '/ingest', validBody())
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '2'])
    expect(answer.body).toEqual({ detail: 'Too much is under way; try again in 1.5 s.' })
  })

  test('an unexpected error is 500 without its cause, which is logged once and without secrets (F31)', async () => {
    const { send, operations, logged } = harness()
    operations.startFault = new TypeError('cannot open postgres://app:p4ss-w0rd@db/x?sslpassword=p4ss-w0rd')
    const answer = await send('POST', '/ferry', validBody(), { 'x-request-id': 'r1' })
    expect([answer.status, answer.body]).toEqual([500, { status: 'error', message: 'An internal server error occurred' }])
    expect(logged).toHaveLength(1)
    expect(logged[0]).toMatchObject({ event: 'request-failed', fields: { requestId: 'r1', method: 'POST', path: '/ferry' } })
    expect(JSON.stringify(logged)).toContain('TypeError: cannot open postgres://***@db/x')
    expect(JSON.stringify(logged)).not.toContain('p4ss-w0rd')
  })
})
