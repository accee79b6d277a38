import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { http } from '../../../src/connectors/http/connector.ts'
import type { Source } from '../../../src/core/connector.ts'
import { explain, faultOf } from '../../../src/core/errors.ts'
import { nodeIo } from '../../support/node-io.ts'
import { S3Double } from '../../support/servers/s3-double.ts'
import { describe, readTable } from '../shared/file-table.ts'

let server: Server
let base: string
let handle: (request: IncomingMessage, response: ServerResponse) => void
beforeEach(async () => {
  server = createServer((request, response) => handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})
const open = (uri: string): Source => {
  const source = http.openSource?.(http.fromUri(uri), nodeIo())
  if (!source) throw new Error('no source')
  return source
}
const failure = async (work: Promise<unknown>) =>
  faultOf(
    await work.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )
/** Answers every path with the same body, with or without ranges. */
const serve =
  (body: string | Uint8Array, options: { ranges?: boolean; headers?: Record<string, string>; chunked?: boolean } = {}) =>
  (request: IncomingMessage, response: ServerResponse) => {
    const bytes = Buffer.from(body)
    for (const [name, value] of Object.entries(options.headers ?? {})) response.setHeader(name, value)
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
    if (options.ranges && range) {
      const part = bytes.subarray(Number(range[1]), Number(range[2]) + 1)
      response.writeHead(206, {
        'content-range': `bytes ${range[1]}-${Number(range[1]) + part.length - 1}/${bytes.length}`,
        'content-length': part.length,
      })
      return void response.end(part)
    }
    if (!options.chunked) response.setHeader('content-length', bytes.length)
    response.end(bytes)
  }

test('the URL is the file when its name has a suffix; the table name only names the table', async () => {
  const paths: string[] = []
  handle = (request, response) => {
    paths.push(request.url ?? '')
    serve('id,v\n1,a\n')(request, response)
  }
  const description = await describe(open(`${base}/data/users.csv?sig=a%2Bb`), 'people')
  expect([description.defaultTable, description.schema.fields.map((field) => field.name)]).toEqual(['people', ['id', 'v']])
  expect(new Set(paths)).toEqual(new Set(['/data/users.csv?sig=a%2Bb']))
  expect(JSON.stringify(description)).not.toMatch(/sig=/)
})

test('a folder and a path in it; a hint states the format of a file without suffix', async () => {
  const paths: string[] = []
  handle = (request, response) => {
    paths.push(request.url ?? '')
    serve('id,v\n1,a\n')(request, response)
  }
  for (const [uri, stream] of [
    [`${base}/data/`, 'users/all.csv'],
    [base, 'users.csv'],
    [`${base}/export`, 'anything#csv'],
    [`${base}/data`, 'x.csv'],
  ] as const) {
    const source = open(uri)
    expect((await readTable(source, await describe(source, stream), 'bytes')).rows).toEqual([[1n, 'a']])
  }
  expect([...new Set(paths)]).toEqual(['/data/users/all.csv', '/users.csv', '/export', '/data/x.csv'])
  const headless = open(`${base}/export`)
  expect((await readTable(headless, await describe(headless, 'x#csv_headless'), 'records')).rows).toEqual([
    ['id', 'v'],
    ['1', 'a'],
  ])
})

test('a table name cannot lead to another host or out of the folder', async () => {
  handle = serve('id\n1\n')
  for (const stream of ['http://127.0.0.2/x.csv', '//127.0.0.2/x.csv', '../secret.csv'])
    expect((await failure(describe(open(`${base}/data/`), stream))).tag).toBe('invalid-request')
})

test('without ranges there is one chunk, with them large files are cut', async () => {
  const csv = `id,v\n${Array.from({ length: 2000 }, (_, row) => `${row},"x, ${row}"`).join('\n')}\n`
  for (const [options, chunks] of [
    [{ ranges: true, headers: { etag: '"1"' } }, (count: number) => count > 5],
    [{ ranges: true, headers: { 'last-modified': 'Sun, 22 Nov 2026 10:00:00 GMT' } }, (count: number) => count > 5],
    // Nobody could tell whether the file changed between two parts.
    [{ ranges: true }, (count: number) => count === 1],
    [{ ranges: true, headers: { etag: 'W/"1"' } }, (count: number) => count === 1],
    [{ ranges: false, headers: { etag: '"1"' } }, (count: number) => count === 1],
    [{ chunked: true }, (count: number) => count === 1],
  ] as const) {
    handle = serve(csv, options)
    const source = open(`${base}/x.csv`)
    const table = await readTable(source, await describe(source, 'x'), 'bytes', 4000)
    expect(table.rows.length).toBe(2000)
    expect([options, chunks(table.chunkIds.length)]).toEqual([options, true])
  }
})

test('a file that changes between two parts is a fault, even when the server ignores If-Match', async () => {
  let etag = '"1"'
  handle = (request, response) => serve(`id\n${'1\n'.repeat(1000)}`, { ranges: true, headers: { etag } })(request, response)
  const source = open(`${base}/x.csv`)
  const description = await describe(source, 'x')
  etag = '"2"'
  expect(await failure(readTable(source, description, 'bytes'))).toMatchObject({ tag: 'rejected', code: 'object-changed' })
})

test('Parquet is read by ranges, and whole where there are none', async () => {
  const file = new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'n', data: [1, 2, 3], type: 'INT32' }] }))
  for (const ranges of [true, false]) {
    handle = serve(file, { ranges, headers: { etag: '"1"' } })
    const source = open(`${base}/x.parquet`)
    const description = await describe(source, 'x')
    expect([description.estimatedRows, (await readTable(source, description, 'records')).rows]).toEqual([3, [[1], [2], [3]]])
  }
})

test('credentials of the URL are sent as basic authentication and never shown', async () => {
  handle = (request, response) => {
    if (request.headers.authorization === `Basic ${Buffer.from('ada:pä:ss').toString('base64')}`) return serve('id\n1\n')(request, response)
    response.writeHead(401).end()
  }
  const uri = `${base.replace('//', `//ada:${encodeURIComponent('pä:ss')}@`)}/x.csv`
  await open(uri).check()
  expect((await readTable(open(uri), await describe(open(uri), 'x'), 'bytes')).rows).toEqual([[1n]])
  const wrong = await failure(describe(open(uri.replace('ada', 'eve')), 'x'))
  expect(wrong.tag).toBe('denied')
  expect(explain(wrong)).not.toMatch(/pä|eve/)
})

test('statuses become faults with a remedy', async () => {
  for (const [status, tag] of [
    [404, 'missing'],
    [403, 'denied'],
    [429, 'throttled'],
    [503, 'throttled'],
    [500, 'unreachable'],
    [418, 'rejected'],
  ] as const) {
    handle = (_, response) => void response.writeHead(status, { 'retry-after': '3' }).end('<html>')
    const fault = await failure(describe(open(`${base}/x.csv`), 'x'))
    expect([status, fault.tag, 'remedy' in fault && fault.remedy.length > 0]).toEqual([status, tag, true])
  }
  expect((await failure(describe(open('http://127.0.0.1:1/x.csv'), 'x'))).tag).toBe('unreachable')
})

test('a body cut short, and one encoded on the way though asked not to, are faults', async () => {
  handle = (_, response) => {
    response.writeHead(200, { 'content-length': 100_000 })
    response.write('id\n1\n')
    setTimeout(() => response.destroy(), 20)
  }
  expect((await failure(describe(open(`${base}/x.csv`), 'x'))).tag).toBe('unreachable')
  handle = serve('whatever', { headers: { 'content-encoding': 'br' } })
  expect((await failure(describe(open(`${base}/x.csv`), 'x'))).tag).toBe('unsupported')
})

test('an object of a public bucket is just a file', async () => {
  const store = await S3Double.start({ anonymous: true })
  store.put('lake', 'a b.csv', `id,v\n${'1,x\n'.repeat(3000)}`)
  const source = open(`${store.url}/lake/`)
  const table = await readTable(source, await describe(source, 'a b.csv'), 'bytes', 3000)
  expect([table.rows.length, table.chunkIds.length > 2]).toEqual([3000, true])
  await store.stop()
})
