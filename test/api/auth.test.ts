import { createHash, createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { AuthSettings } from '../../src/api/auth.ts'
import { STARTED_MS } from './fake-operations.ts'
import { harness, validBody } from './harness.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const KEYS: AuthSettings['apiKeys'] = [
  { id: 'one', sha256: sha256('key-of-one'), workspaceId: 'w1' },
  { id: 'two', sha256: sha256('key-of-two').toUpperCase(), workspaceId: 'w2' },
]
const CLIENTS: AuthSettings['hmacClients'] = [{ id: 'ferry-client1', secret: 'sign-with-this', workspaceId: 'w3' }]
const NOW_SECONDS = STARTED_MS / 1000

function signed(body: string, changes: Partial<Record<'id' | 'timestamp' | 'signature', string>> = {}) {
  const timestamp = changes.timestamp ?? String(NOW_SECONDS)
  return {
    'x-client-id': changes.id ?? 'ferry-client1',
    'x-timestamp': timestamp,
    'x-signature': changes.signature ?? createHmac('sha256', 'sign-with-this').update(`${timestamp}.${body}`).digest('hex'),
  }
}

describe('API keys', () => {
  const places: [string, Record<string, string>][] = [
    ['Bearer', { authorization: 'Bearer key-of-one' }],
    ['lower-case bearer', { authorization: 'bearer key-of-one' }],
    ['Bearer apikey:', { authorization: 'Bearer apikey:key-of-one' }],
    ['X-API-Key', { 'x-api-key': 'key-of-one' }],
  ]
  test.each(places)('a key is accepted as %s and names its workspace', async (_place, headers) => {
    const { send, operations } = harness({ mode: 'required', apiKeys: KEYS })
    expect((await send('POST', '/ingest', validBody(), headers)).status).toBe(200)
    expect(operations.started[0]?.caller).toEqual({ workspaceId: 'w1', keyId: 'one' })
  })

  const refused: [string, Record<string, string>][] = [
    ['a wrong key', { 'x-api-key': 'key-of-three' }],
    ['the hash of a key', { 'x-api-key': sha256('key-of-one') }],
    ['the beginning of a key', { authorization: 'Bearer key-of-on' }],
    ['another scheme', { authorization: 'Basic a2V5LW9mLW9uZTo=' }],
    ['a bearer without a key', { authorization: 'Bearer ' }],
  ]
  test.each(refused)('%s is refused', async (_what, headers) => {
    const { send, operations } = harness({ mode: 'required', apiKeys: KEYS })
    const answer = await send('POST', '/ingest', validBody(), headers)
    expect(answer.status).toBe(401)
    expect(answer.body).toEqual({ detail: 'Invalid credentials' })
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    expect(operations.started).toEqual([])
  })

  test('no credential is 401 when keys alone are configured', async () => {
    const answer = await harness({ mode: 'required', apiKeys: KEYS }).send('POST', '/ingest', validBody())
    expect([answer.status, answer.body]).toEqual([401, { detail: 'Not authenticated' }])
  })

  test('a caller finds nothing of another workspace', async () => {
    const { send } = harness({ mode: 'required', apiKeys: KEYS })
    await send('POST', '/ingest', validBody(), { 'x-api-key': 'key-of-one' })
    for (const path of ['/ingest/executions/execution1', '/ingest/executions/execution1/events', '/ingest/fgXOw4zY/observe']) {
      expect((await send('GET', path, undefined, { 'x-api-key': 'key-of-one' })).status).toBe(200)
      expect((await send('GET', path, undefined, { 'x-api-key': 'key-of-two' })).status).toBe(404)
    }
  })
})

describe('open mode', () => {
  test.each(['http://localhost:8000', 'http://127.0.0.1:8787', 'http://[::1]:8787'])('%s needs no credential', async (origin) => {
    expect((await harness({ mode: 'open' }, origin).send('POST', '/ingest', validBody())).status).toBe(200)
  })

  test.each(['https://sluice.example', 'http://localhost.example', 'http://192.168.1.2:8787', 'http://0.0.0.0:8787'])(
    '%s needs one all the same',
    async (origin) => {
      expect((await harness({ mode: 'open' }, origin).send('POST', '/ingest', validBody())).status).toBe(401)
    },
  )

  test('a web page of elsewhere is not local', async () => {
    const { send } = harness({ mode: 'open' })
    expect((await send('POST', '/ingest', validBody(), { origin: 'https://evil.example' })).status).toBe(401)
    expect((await send('POST', '/ingest', validBody(), { origin: 'null' })).status).toBe(401)
    expect((await send('POST', '/ingest', validBody(), { origin: 'http://localhost:3000' })).status).toBe(200)
  })

  test('a wrong key is refused rather than ignored', async () => {
    expect((await harness({ mode: 'open', apiKeys: KEYS }).send('POST', '/ingest', validBody(), { 'x-api-key': 'x' })).status).toBe(401)
  })

  test('no caller is let in without a credential when signatures are required', async () => {
    const { send } = harness({ mode: 'open', hmacClients: CLIENTS, hmacRequired: true })
    expect((await send('POST', '/ingest', validBody())).status).toBe(400)
  })
})

describe('signatures (F33)', () => {
  const auth: Partial<AuthSettings> = { mode: 'required', hmacClients: CLIENTS, apiKeys: KEYS }
  const text = JSON.stringify(validBody())

  test('F33: a right signature is let in', async () => {
    const { send, operations } = harness(auth)
    expect((await send('POST', '/ingest', text, signed(text))).status).toBe(200)
    expect(operations.started[0]?.caller).toEqual({ workspaceId: 'w3', keyId: 'ferry-client1' })
  })

  test('F33: without headers, and without one of them, 400', async () => {
    const { send } = harness(auth)
    const missing = [400, { detail: 'Missing authentication headers' }]
    const bare = await send('POST', '/ingest', text)
    expect([bare.status, bare.body]).toEqual(missing)
    for (const name of ['x-client-id', 'x-timestamp', 'x-signature'] as const) {
      const { [name]: _left, ...rest } = signed(text)
      const answer = await send('POST', '/ingest', text, rest)
      expect([answer.status, answer.body]).toEqual(missing)
    }
  })

  const wrong: [string, Record<string, string>, string][] = [
    ['an unknown client', signed(text, { id: 'somebody' }), 'Unknown client ID'],
    ['a timestamp 301 s old', signed(text, { timestamp: String(NOW_SECONDS - 301) }), 'Timestamp expired or invalid'],
    ['a timestamp 301 s ahead', signed(text, { timestamp: String(NOW_SECONDS + 301) }), 'Timestamp expired or invalid'],
    ['a timestamp that is no number', signed(text, { timestamp: '2026-01-31' }), 'Invalid timestamp format'],
    ['the signature of another body', signed(`${text} `), 'Signature mismatch'],
    ['a signature cut short', signed(text, { signature: 'abcd' }), 'Signature mismatch'],
    ['a signature that is not hex', signed(text, { signature: 'zz'.repeat(32) }), 'Signature mismatch'],
  ]
  test.each(wrong)('F33: %s is 401', async (_what, headers, detail) => {
    const { send, operations } = harness(auth)
    const answer = await send('POST', '/ingest', text, headers)
    expect([answer.status, answer.body]).toEqual([401, { detail }])
    expect(operations.started).toEqual([])
  })

  test('F33: 300 s either way is still in time', async () => {
    for (const timestamp of [NOW_SECONDS - 300, NOW_SECONDS + 300]) {
      expect((await harness(auth).send('POST', '/ingest', text, signed(text, { timestamp: String(timestamp) }))).status).toBe(200)
    }
  })

  test('a request without a body is signed too', async () => {
    const { send } = harness(auth)
    await send('POST', '/ingest', text, signed(text))
    expect((await send('GET', '/ferry/fgXOw4zY/observe', undefined, signed(''))).status).toBe(200)
    expect((await send('GET', '/ferry/fgXOw4zY/observe', undefined, signed('x'))).status).toBe(401)
  })

  test('API keys go on working beside signatures, unless these are required', async () => {
    expect((await harness(auth).send('POST', '/ingest', text, { 'x-api-key': 'key-of-one' })).status).toBe(200)
    const answer = await harness({ ...auth, hmacRequired: true }).send('POST', '/ingest', text, { 'x-api-key': 'key-of-one' })
    expect([answer.status, answer.body]).toEqual([400, { detail: 'Missing authentication headers' }])
  })

  test('a replayed request gets the execution it started the first time', async () => {
    const { send, operations } = harness(auth)
    const first = await send('POST', '/ingest', text, signed(text))
    const replay = await send('POST', '/ingest', text, { ...signed(text), 'x-signature': signed(text)['x-signature'].toUpperCase() })
    expect(replay.headers.get('idempotent-replayed')).toBe('true')
    expect(replay.body).toEqual(first.body)
    expect(operations.started).toHaveLength(1)
    await send('POST', '/ingest', text, signed(text, { timestamp: String(NOW_SECONDS + 1) }))
    expect(operations.started).toHaveLength(2)
  })

  test('a replay cannot get past that with a header the signature does not cover', async () => {
    const { send, operations } = harness(auth)
    const answer = await send('POST', '/ingest', text, { ...signed(text), 'idempotency-key': 'another' })
    expect(answer.status).toBe(422)
    expect(operations.started).toEqual([])
    const keyed = JSON.stringify(validBody({ idempotency_key: 'mine' }))
    await send('POST', '/ingest', keyed, signed(keyed))
    expect(operations.started[0]?.command.idempotencyKey).toBe('mine')
  })
})
