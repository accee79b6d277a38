import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Workbench, workbench } from './workbench.ts'

let bench: Workbench
let server: Server
let origin: string
const asked: { path: string; headers: IncomingHttpHeaders }[] = []

const FILES: Record<string, string> = {
  '/files/users.csv': 'id,name\n1,Ada\n2,Bo\n',
  '/files/events.jsonl': '{"id":1,"kind":"a"}\n{"id":2,"kind":"b"}\n{"id":3,"kind":null}\n',
  '/export': 'id;total\n7;1,5\n',
}
const REDIRECTS: Record<string, string> = {
  '/moved/users.csv': '/files/users.csv',
  '/inward/users.csv': 'http://10.0.0.1/users.csv',
  '/metadata/users.csv': 'http://169.254.169.254/latest/meta-data/users.csv',
  '/odd/users.csv': 'http://[::ffff:10.0.0.1]/users.csv',
  '/loop/users.csv': '/loop/users.csv',
}

/** A plain web server without ranges. */
beforeAll(async () => {
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    asked.push({ path: request.url ?? '', headers: request.headers })
    const moved = REDIRECTS[pathname]
    if (moved !== undefined) return void response.writeHead(302, { location: moved }).end()
    if (pathname.startsWith('/closed/')) {
      if (request.headers.authorization !== `Basic ${Buffer.from('user:s3cret:pw').toString('base64')}`)
        return void response.writeHead(401).end()
      return void response.end('id\n42\n')
    }
    const body = FILES[pathname]
    if (body === undefined) return void response.writeHead(404).end('not here')
    response.writeHead(200, { 'content-type': 'text/plain', etag: `"${Buffer.from(body).toString('hex').slice(0, 16)}"` }).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  bench = await workbench('http')
  await bench.source('CREATE TABLE known AS SELECT 1 AS id')
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await bench.close()
})

const load = (path: string, source_table_name: string, destination_table_name: string) =>
  bench.ingest({
    identity: destination_table_name,
    source_uri: `${origin}${path}`,
    resources: [{ source_table_name, destination_table_name }],
  })

it('F27: a plain http file is loaded, by its whole address or below a folder', async () => {
  expect((await load('/files/users.csv', 'users.csv', 'whole')).body).toMatchObject({ status: 'success' })
  expect((await load('/files/', 'events.jsonl', 'below')).body).toMatchObject({ status: 'success' })
  expect(await bench.destination('SELECT * FROM whole ORDER BY id')).toEqual([
    { id: 1, name: 'Ada' },
    { id: 2, name: 'Bo' },
  ])
  expect(await bench.destination('SELECT count() AS n, sum(id) AS s FROM below')).toEqual([{ n: 3, s: 6 }])
})

it('a hint behind the name states the format where no suffix does, and a query goes along', async () => {
  const answer = await load('/export?signature=abc%2Fdef', 'export#csv', 'hinted')
  expect(answer.body).toMatchObject({ status: 'success' })
  expect(await bench.destination('SELECT id FROM hinted')).toEqual([{ id: 7 }])
  expect(asked.filter(({ path }) => path === '/export?signature=abc%2Fdef').length).toBeGreaterThan(0)
  expect(JSON.stringify(answer.body)).not.toContain('abc%2Fdef')
})

it('user and password of the address are sent as they are decoded, and appear nowhere', async () => {
  const answer = await bench.ingest({
    identity: 'basic',
    source_uri: `${origin.replace('//', '//user:s3cret%3Apw@')}/closed/x.csv`,
    resources: [{ source_table_name: 'x.csv', destination_table_name: 'closed' }],
  })
  expect(answer.body).toMatchObject({ status: 'success' })
  expect(await bench.destination('SELECT id FROM closed')).toEqual([{ id: 42 }])
  expect(JSON.stringify(answer.body)).not.toMatch(/s3cret/)
})

it('a redirect to an allowed address is followed', async () => {
  expect((await load('/moved/users.csv', 'users.csv', 'moved')).body).toMatchObject({ status: 'success' })
  expect(await bench.destination('SELECT count() AS n FROM moved')).toEqual([{ n: 2 }])
})

it.each(['inward', 'metadata', 'odd'])('a redirect to a forbidden address is refused: %s', async (name) => {
  const answer = await load(`/${name}/users.csv`, 'users.csv', name)
  expect(answer.status).toBe(422)
  expect(answer.body.failed[0].fault.tag).toBe('forbidden')
  expect(answer.body.message).toContain('PRIVATE_ADDRESSES')
  expect(await bench.tables()).not.toContain(name)
})

it.each(['10.0.0.5', '169.254.169.254', '[fd00::1]', 'db.internal', '0xa000005'])(
  'where loopback alone is allowed, a destination, a source and an endpoint_url inside are refused: %s',
  async (host) => {
    const inside = {
      destination: { destination_uri: `clickhouse://u:p@${host}:9000/x` },
      source: { source_uri: `postgresql://u:p@${host}:5432/db` },
      endpoint: { source_uri: `s3://bucket?access_key_id=a&access_key_secret=b&endpoint_url=http://${host}:9000` },
    }
    for (const [end, uris] of Object.entries(inside)) {
      const resources = [{ source_table_name: end === 'destination' ? 'known' : 'x.csv' }]
      const answer = await bench.ingest({ identity: `${end} ${host}`, resources, ...uris })
      expect([end, answer.status, answer.body.failed?.[0].fault.tag]).toEqual([end, 422, 'forbidden'])
      expect(answer.body.message).toContain('PRIVATE_ADDRESSES')
    }
  },
)

it('a redirect without an end is an error, not a hang', async () => {
  const answer = await load('/loop/users.csv', 'users.csv', 'loop')
  expect(answer.status).toBeGreaterThanOrEqual(400)
  expect(answer.body.message).toMatch(/redirect/i)
})

it('credentials of the address are not taken along to another host', async () => {
  const seen: IncomingHttpHeaders[] = []
  const other = createServer((request, response) => {
    seen.push(request.headers)
    response.end('id\n1\n')
  })
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  REDIRECTS['/away/users.csv'] = `http://127.0.0.1:${(other.address() as AddressInfo).port}/users.csv`
  await bench.ingest({
    identity: 'away',
    source_uri: `${origin.replace('//', '//user:s3cret@')}/away/users.csv`,
    resources: [{ source_table_name: 'users.csv', destination_table_name: 'away' }],
  })
  other.closeAllConnections()
  other.close()
  expect(seen.length).toBeGreaterThan(0)
  expect(seen.filter(({ authorization }) => authorization !== undefined)).toEqual([])
})
