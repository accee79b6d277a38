import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { S3_DOUBLE_IDENTITY, S3Double, type S3Fault } from '../support/servers/s3-double.ts'
import { destinationState, expectNoSecrets, expectRefused, type Refusal } from './refused.ts'
import { type Rig, rig } from './rig.ts'
import { s3Uri } from './s3-uri.ts'

const ROWS = 20_000
const KEY = 'big.csv'

let here: Rig
let store: S3Double
beforeAll(async () => {
  ;[here, store] = await Promise.all([rig('object_store', { CHUNK_BYTES: String(200_000) }), S3Double.start()])
  store.put('lake', KEY, csv(1))
  expect((await load()).status).toBe(200)
})
afterAll(async () => {
  await store.stop()
  await here.close()
})
afterEach(() => {
  store.faults.length = 0
})

/** Over 1 MB: some six chunks. Every third field holds quotes, delimiters and newlines, so that hardly any line end is the end of a record. */
function csv(factor: number): string {
  const lines = ['id,amount,body']
  for (let id = 1; id <= ROWS; id++) {
    const body =
      id % 3 === 0 ? `"line one of ${id}\n2,""quoted"", and a comma\r\n\n${'x'.repeat(id % 50)}"` : `plain ${id} ${'y'.repeat(40)}`
    lines.push(`${id},${id * factor},${body}`)
  }
  return `${lines.join('\n')}\n`
}

const load = (over: Record<string, unknown> = {}, resource: Record<string, unknown> = {}) =>
  here.ingest({ source_table_name: KEY, destination_table_name: 'big', ...resource }, { source_uri: s3Uri(store), ...over })
const body = (request: { method: string; key: string }) => request.method === 'GET' && request.key === KEY
const content = () =>
  here.bench.destination(
    'SELECT toString(count()) AS n, toString(uniqExact(id)) AS d, toString(sum(amount)) AS s, toString(sum(length(body))) AS l FROM big',
  )
const sum = (ROWS * (ROWS + 1)) / 2
const lengths = () => {
  let all = 0
  for (let id = 1; id <= ROWS; id++)
    all += id % 3 === 0 ? `line one of ${id}\n2,"quoted", and a comma\r\n\n`.length + (id % 50) : `plain ${id} `.length + 40
  return String(all)
}

async function refused(faults: S3Fault[], expected: Omit<Refusal, 'side' | 'place'>): Promise<void> {
  const before = await destinationState(here.bench)
  store.faults.push(...faults)
  const answer = await load()
  expectRefused(answer, { ...expected, side: 'source', place: [KEY, `127.0.0.1:${store.port}`] }, [S3_DOUBLE_IDENTITY.secretAccessKey])
  expect(await destinationState(here.bench)).toEqual(before)
}

async function heals(faults: S3Fault[], cause: RegExp): Promise<void> {
  store.faults.push(...faults)
  const answer = await load()
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(answer.body.receipt.healing.length).toBeGreaterThan(0)
  expect(answer.body.receipt.healing[0].cause.tag).toMatch(cause)
  expect(await content()).toEqual([{ n: String(ROWS), d: String(ROWS), s: String(sum), l: lengths() }])
  expectNoSecrets(JSON.stringify(answer.body), [S3_DOUBLE_IDENTITY.secretAccessKey])
}

it('a large CSV whose quoted fields hold newlines is cut into chunks, and every row is there once', async () => {
  const answer = await load()
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(answer.body.receipt.resources[0].chunks.total).toBeGreaterThan(3)
  expect(answer.body.receipt.resources[0].rows).toMatchObject({ read: ROWS, delivered: ROWS, found: ROWS })
  expect(await content()).toEqual([{ n: String(ROWS), d: String(ROWS), s: String(sum), l: lengths() }])
})

it('a body that ends early is read again', async () => {
  await heals([{ when: body, times: 2, does: { type: 'truncate', afterBytes: 100_000 } }], /unreachable/)
})

it('a body that always ends early is a clear failure', async () => {
  await refused([{ when: body, does: { type: 'truncate', afterBytes: 1_000 } }], {
    status: 502,
    tag: 'unreachable',
    cause: /ended after|broke off/,
    remedy: /can be reached/,
  })
})

it('503 SlowDown is waited out as long as the store says', async () => {
  await heals(
    [{ when: body, times: 2, does: { type: 'answer', status: 503, code: 'SlowDown', headers: { 'retry-after': '1' } } }],
    /throttled/,
  )
})

it('503 SlowDown without end is a clear failure that says when to come back', async () => {
  const before = await destinationState(here.bench)
  store.faults.push({ when: () => true, does: { type: 'answer', status: 503, code: 'SlowDown', headers: { 'retry-after': '1' } } })
  const answer = await load()
  expectRefused(answer, {
    status: 503,
    tag: 'throttled',
    side: 'source',
    cause: /fewer requests/,
    place: [KEY],
    remedy: /repeated later/,
    code: 'SlowDown',
  })
  expect(await destinationState(here.bench)).toEqual(before)
})

it('a right to read that is missing is named', async () => {
  await refused([{ when: body, does: { type: 'answer', status: 403, code: 'AccessDenied' } }], {
    status: 422,
    tag: 'denied',
    cause: /Access is denied/,
    remedy: /s3:GetObject/,
    code: 'AccessDenied',
  })
})

it('a store that fails inside is tried again, and named when it goes on', async () => {
  await heals([{ when: body, times: 2, does: { type: 'answer', status: 500, code: 'InternalError' } }], /unreachable/)
  store.faults.length = 0
  await refused([{ when: body, does: { type: 'answer', status: 500, code: 'InternalError' } }], {
    status: 502,
    tag: 'unreachable',
    cause: /HTTP 500 InternalError/,
    remedy: /who runs the store/,
  })
})

it('an object that changes between two chunks is noticed, and nothing is published', async () => {
  let changed = false
  const change = (request: { method: string; key: string; query: URLSearchParams }) => {
    // The first request of a late chunk: those before it have read the old object.
    if (!changed && body(request) && store.requests.filter(({ key, method }) => key === KEY && method === 'GET').length > seen + 4) {
      changed = true
      store.put('lake', KEY, csv(2))
    }
    return false
  }
  const seen = store.requests.filter(({ key, method }) => key === KEY && method === 'GET').length
  await refused([{ when: change, does: { type: 'slow', bytesPerSecond: 1 } }], {
    status: 502,
    tag: 'rejected',
    cause: /changed while it was being loaded/,
    remedy: /Nothing was published/,
    code: 'object-changed',
  })
  expect(changed).toBe(true)
  store.put('lake', KEY, csv(1))
})

it('a slow body only takes longer', async () => {
  store.faults.push({ when: body, times: 4, does: { type: 'slow', bytesPerSecond: 300_000 } })
  expect((await load()).status).toBe(200)
  expect((await content())[0]).toMatchObject({ n: String(ROWS) })
})

it('a body that stalls is taken for dead and read again', async () => {
  await heals([{ when: body, times: 1, does: { type: 'stall', afterBytes: 50_000 } }], /unreachable/)
})

it('a listing of 2,500 keys is read to its end', async () => {
  for (let at = 0; at < 2_500; at++)
    store.put('many', `part/${String(at).padStart(4, '0')}.${at % 500 === 499 ? 'csv' : 'txt'}`, `id\n${at}\n`)
  const answer = await load({ source_uri: s3Uri(store, {}, 'many') }, { source_table_name: 'part/*.csv', destination_table_name: 'many' })
  expect([answer.status, answer.body.message]).toEqual([200, expect.any(String)])
  expect(await here.bench.destination('SELECT id FROM many ORDER BY id')).toEqual([499, 999, 1499, 1999, 2499].map((id) => ({ id })))
})

it('after all of this nothing is staged any more', async () => {
  expect(await here.bench.tables()).toEqual(['big', 'many'])
})
