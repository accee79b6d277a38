import { createHash, createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { S3Double } from '../support/servers/s3-double.ts'
import { Sluice } from '../support/servers/sluice.ts'
import { type Workbench, workbench } from './workbench.ts'

const SECRET = 'a-secret-of-an-hmac-client'
const KEY = 'a-key-for-programs'

let signed: Sluice
let bench: Workbench

beforeAll(async () => {
  signed = await Sluice.start({
    vars: {
      AUTH_MODE: 'required',
      HMAC_REQUIRED: 'true',
      PRIVATE_ADDRESSES: 'none',
      HMAC_CLIENTS: JSON.stringify([{ id: 'billing', secret: SECRET }]),
      API_KEYS: JSON.stringify([{ id: 'ci', sha256: createHash('sha256').update(KEY).digest('hex') }]),
    },
  })
  bench = await workbench('access', signed.url)
  await bench.source('CREATE TABLE users AS SELECT 1 AS id')
})
afterAll(async () => {
  await bench.close()
  await signed.stop()
})

interface Signing {
  client?: string
  timestamp?: string
  secret?: string
  signedBody?: string
}

async function send(body: string, signing: Signing | undefined, path = '/ingest', method = 'POST') {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (signing) {
    const timestamp = signing.timestamp ?? String(Math.floor(Date.now() / 1000))
    headers['x-client-id'] = signing.client ?? 'billing'
    headers['x-timestamp'] = timestamp
    headers['x-signature'] = createHmac('sha256', signing.secret ?? SECRET)
      .update(`${timestamp}.${signing.signedBody ?? body}`)
      .digest('hex')
  }
  const response = await fetch(signed.url + path, { method, headers, ...(method === 'POST' && { body }) })
  return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) }
}

const request = (more: Record<string, unknown> = {}) =>
  JSON.stringify({
    identity: 'signed',
    source_uri: 'https://files.example.com/users.csv',
    destination_uri: 'clickhouse://u:p@db.example.com/x',
    resources: [{ source_table_name: 'users' }],
    ...more,
  })

describe('F33: with HMAC required', () => {
  it('no headers are 400, whatever else is sent', async () => {
    expect(await send(request(), undefined)).toMatchObject({ status: 400, body: { detail: 'Missing authentication headers' } })
    const withKey = await fetch(`${signed.url}/ingest`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
      body: request(),
    })
    expect(withKey.status).not.toBe(200)
    expect(withKey.status).toBeLessThan(500)
  })

  it('stale, early, wrong and unknown ones are 401, each with its reason', async () => {
    const now = Math.floor(Date.now() / 1000)
    const cases: [Signing, string][] = [
      [{ timestamp: String(now - 400) }, 'Timestamp expired or invalid'],
      [{ timestamp: String(now + 400) }, 'Timestamp expired or invalid'],
      [{ timestamp: 'yesterday' }, 'Invalid timestamp format'],
      [{ client: 'nobody' }, 'Unknown client ID'],
      [{ secret: 'another-secret-of-a-client' }, 'Signature mismatch'],
      [{ signedBody: request({ identity: 'other' }) }, 'Signature mismatch'],
    ]
    for (const [signing, detail] of cases)
      expect([detail, await send(request(), signing)]).toMatchObject([detail, { status: 401, body: { detail } }])
  })

  it('the right signature is let in: the request itself is looked at', async () => {
    const broken = await send(request({ resources: [] }), {})
    expect(broken).toMatchObject({ status: 422, body: { errors: { resources: ['Value error, At least one resource must be provided'] } } })
    expect(await send('', {}, '/ingest/nobody/observe', 'GET')).toMatchObject({
      status: 404,
      body: { detail: "Pipeline 'nobody' not found" },
    })
    expect(await send('', undefined, '/ingest/nobody/observe', 'GET')).toMatchObject({ status: 400 })
  })
})

it('F33: the right signature loads a table, and a replayed request gets the same execution', async () => {
  const local = await Sluice.start({
    vars: { AUTH_MODE: 'required', HMAC_REQUIRED: 'true', HMAC_CLIENTS: JSON.stringify([{ id: 'billing', secret: SECRET }]) },
  })
  try {
    const body = JSON.stringify({
      identity: 'signed',
      source_uri: bench.sourceUri,
      destination_uri: bench.destinationUri,
      resources: [{ source_table_name: 'users', write_disposition_config: { type: 'append' } }],
    })
    const timestamp = String(Math.floor(Date.now() / 1000))
    const headers = {
      'content-type': 'application/json',
      'x-client-id': 'billing',
      'x-timestamp': timestamp,
      'x-signature': createHmac('sha256', SECRET).update(`${timestamp}.${body}`).digest('hex'),
    }
    const first = await local.post('/ingest', body, headers)
    expect(first.body).toMatchObject({ status: 'success' })
    const replayed = await local.post('/ingest', body, headers)
    expect(replayed.body.execution_id).toBe(first.body.execution_id)
    expect(await bench.destination('SELECT count() AS n FROM users')).toEqual([{ n: 1 }])
    expect((await local.post('/ingest', body)).status).toBe(400)
  } finally {
    await local.stop()
  }
})

describe('with PRIVATE_ADDRESSES=none addresses inside are refused', () => {
  const inside = [
    '127.0.0.1',
    'localhost',
    '10.0.0.5',
    '192.168.1.1',
    '172.20.0.1',
    '169.254.169.254',
    '[::1]',
    '[fd00::1]',
    '[::ffff:127.0.0.1]',
    'db.internal',
    '2130706433',
    '0x7f.1',
    '100.64.0.1',
    '0.0.0.0',
  ]

  async function refusal(more: Record<string, unknown>) {
    // Signed requests replay by their signature: each has an identity of its own.
    const answer = await send(request({ identity: `inside ${Math.random()}`, ...more }), {})
    expect([JSON.stringify(more), answer.status]).toEqual([JSON.stringify(more), 422])
    return JSON.stringify(answer.body)
  }

  it.each(inside)('as source, as destination and as endpoint_url: %s', async (host) => {
    const clickhouse = 'clickhouse://u:p@db.example.com/x'
    for (const source_uri of [
      `postgresql://u:p@${host}:5432/db`,
      `http://${host}/x.csv`,
      `s3://bucket?access_key_id=a&access_key_secret=b&endpoint_url=http://${host}:9000`,
    ]) {
      const text = await refusal({ source_uri, destination_uri: clickhouse, resources: [{ source_table_name: 'x.csv' }] })
      expect(text).toContain('PRIVATE_ADDRESSES')
    }
    const port = inject('clickhouse').port
    const text = await refusal({
      source_uri: `postgresql://u:p@${host}/db`,
      destination_uri: `clickhouse://u:p@${host}/x?http_port=${port}`,
    })
    expect(text).toContain('PRIVATE_ADDRESSES')
  })

  it('nothing of it is asked: a store on loopback sees no request', async () => {
    const s3 = await S3Double.start()
    try {
      await refusal({
        source_uri: `s3://bucket?access_key_id=AKIADOUBLE&access_key_secret=double/secret+key=&endpoint_url=${s3.url}`,
        resources: [{ source_table_name: 'x.csv' }],
      })
      expect(s3.requests).toEqual([])
    } finally {
      await s3.stop()
    }
  })
})
