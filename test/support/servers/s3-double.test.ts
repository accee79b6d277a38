import { AwsClient } from 'aws4fetch'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { S3_DOUBLE_IDENTITY, S3Double } from './s3-double.ts'

let s3: S3Double
beforeEach(async () => {
  s3 = await S3Double.start({ minPartBytes: 4 })
})
afterEach(() => s3.stop())

const client = (over: { secretAccessKey?: string; accessKeyId?: string; region?: string } = {}) =>
  new AwsClient({ ...S3_DOUBLE_IDENTITY, service: 's3', region: 'us-east-1', retries: 0, ...over })

test('a rightly signed object round trips, with odd characters in its key', async () => {
  const url = `${s3.url}/lake/${encodeURIComponent("a b+c%d&e='(é)")}`
  await client().fetch(`${s3.url}/lake`, { method: 'PUT' })
  expect(
    (await client().fetch(url, { method: 'PUT', body: 'hello', headers: { 'x-amz-content-sha256': await sha256('hello') } })).status,
  ).toBe(200)
  const answer = await client().fetch(url, { headers: { range: 'bytes=1-3' } })
  expect([answer.status, await answer.text(), answer.headers.get('content-range')]).toEqual([206, 'ell', 'bytes 1-3/5'])
})

test('a wrong secret, an unknown key, a wrong region, no signature and a wrong body hash are each refused with their own code', async () => {
  s3.put('lake', 'k', 'v')
  const codes: string[] = []
  for (const other of [{ secretAccessKey: 'no' }, { accessKeyId: 'no' }, { region: 'eu-west-1' }])
    codes.push(await code(client(other).fetch(`${s3.url}/lake/k`)))
  codes.push(await code(fetch(`${s3.url}/lake/k`)))
  codes.push(
    await code(client().fetch(`${s3.url}/lake/k`, { method: 'PUT', body: 'x', headers: { 'x-amz-content-sha256': await sha256('y') } })),
  )
  expect(codes).toEqual([
    'SignatureDoesNotMatch',
    'InvalidAccessKeyId',
    'AuthorizationHeaderMalformed',
    'AccessDenied',
    'XAmzContentSHA256Mismatch',
  ])
})

test('a request signed more than 15 minutes ago is refused', async () => {
  const late = await S3Double.start({ nowMs: () => Date.now() + 16 * 60_000 })
  expect(await code(client().fetch(`${late.url}/lake/k`))).toBe('RequestTimeTooSkewed')
  await late.stop()
})

test('a tampered query is refused', async () => {
  s3.put('lake', 'k', 'v')
  const signed = await client().sign(`${s3.url}/lake?list-type=2&prefix=a`)
  expect(await code(fetch(signed.url.replace('prefix=a', 'prefix=b'), { headers: signed.headers }))).toBe('SignatureDoesNotMatch')
})

test('listing pages, rolls prefixes up and url-encodes keys', async () => {
  for (const key of ['a/1', 'a/2', 'b c', 'd', 'é']) s3.put('lake', key, 'x')
  const seen: string[] = []
  let token: string | undefined
  do {
    const next: string = token ? `&continuation-token=${encodeURIComponent(token)}` : ''
    const body: string = await (await client().fetch(`${s3.url}/lake?list-type=2&delimiter=%2F&max-keys=2&encoding-type=url${next}`)).text()
    seen.push(...[...body.matchAll(/<(?:Key|CommonPrefixes><Prefix)>([^<]*)</g)].map((match) => match[1] ?? ''))
    token = /<NextContinuationToken>([^<]*)</.exec(body)?.[1]
  } while (token)
  expect(seen).toEqual(['a/', 'b+c', 'd', '%C3%A9'])
})

test('conditional writes: create if absent, replace if unchanged', async () => {
  s3.put('lake', 'k', 'v1')
  const put = (headers: Record<string, string>) => client().fetch(`${s3.url}/lake/k`, { method: 'PUT', body: 'v2', headers })
  expect((await put({ 'if-none-match': '*' })).status).toBe(412)
  expect((await put({ 'if-match': '"00"' })).status).toBe(412)
  const etag = (await client().fetch(`${s3.url}/lake/k`, { method: 'HEAD' })).headers.get('etag') ?? ''
  expect((await put({ 'if-match': etag })).status).toBe(200)
  expect(new TextDecoder().decode(s3.get('lake', 'k'))).toBe('v2')
})

test('a multipart upload becomes one object, and a short middle part is refused', async () => {
  s3.put('lake', 'other', '')
  const upload = async (parts: string[]) => {
    const url = `${s3.url}/lake/big`
    const id = /<UploadId>([^<]*)</.exec(await (await client().fetch(`${url}?uploads=`, { method: 'POST' })).text())?.[1] ?? ''
    const listed: string[] = []
    for (const [index, body] of parts.entries()) {
      const answer = await client().fetch(`${url}?partNumber=${index + 1}&uploadId=${id}`, { method: 'PUT', body })
      listed.push(`<Part><PartNumber>${index + 1}</PartNumber><ETag>${answer.headers.get('etag')}</ETag></Part>`)
    }
    return await client().fetch(`${url}?uploadId=${id}`, {
      method: 'POST',
      body: `<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`,
    })
  }
  expect((await upload(['abcd', 'e'])).status).toBe(200)
  expect(new TextDecoder().decode(s3.get('lake', 'big'))).toBe('abcde')
  expect(await code(upload(['ab', 'cdef']))).toBe('EntityTooSmall')
})

test('faults: the asked status n times, and a body cut short', async () => {
  s3.put('lake', 'k', 'x'.repeat(1000))
  s3.faults.push({ when: ({ key }) => key === 'k', times: 1, does: { type: 'answer', status: 503, code: 'SlowDown' } })
  expect(await code(client().fetch(`${s3.url}/lake/k`))).toBe('SlowDown')
  s3.faults.push({ when: ({ key }) => key === 'k', times: 1, does: { type: 'truncate', afterBytes: 10 } })
  await expect(
    client()
      .fetch(`${s3.url}/lake/k`)
      .then((answer) => answer.text()),
  ).rejects.toThrow()
  expect((await (await client().fetch(`${s3.url}/lake/k`)).text()).length).toBe(1000)
})

async function code(answer: Promise<Response>): Promise<string> {
  return /<Code>([^<]*)</.exec(await (await answer).text())?.[1] ?? ''
}

async function sha256(text: string): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))).toString('hex')
}
