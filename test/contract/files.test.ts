import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe } from 'vitest'
import { http } from '../../src/connectors/http/connector.ts'
import { s3 } from '../../src/connectors/s3/connector.ts'
import type { Source } from '../../src/core/connector.ts'
import { nodeIo } from '../support/node-io.ts'
import { S3_DOUBLE_IDENTITY, S3Double } from '../support/servers/s3-double.ts'
import { sourceContract } from './source.ts'

const ROWS = 5_000
const CSV = `id,note\n${Array.from({ length: ROWS }, (_, index) => `${index},"note ${index},\nand more"`).join('\n')}\n`

function opened(source: Source | undefined): Source {
  if (!source) throw new Error('not a source')
  return source
}

describe('S3 as a source', () => {
  let store: S3Double
  beforeAll(async () => {
    store = await S3Double.start()
    store.put('lake', 'people.csv', CSV)
  })
  afterAll(() => store.stop())
  sourceContract(() => {
    const { accessKeyId, secretAccessKey } = S3_DOUBLE_IDENTITY
    const secret = encodeURIComponent(secretAccessKey)
    const uri = `s3://lake?access_key_id=${accessKeyId}&access_key_secret=${secret}&endpoint_url=${encodeURIComponent(store.url)}`
    return { open: () => opened(s3.openSource?.(s3.fromUri(uri), nodeIo())), stream: 'people.csv', rows: ROWS, chunkBytes: 40_000 }
  })
})

describe('a web server as a source', () => {
  let server: Server
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url !== '/people.csv') return void response.writeHead(404).end()
      const [, from = '0', to = String(CSV.length - 1)] = /^bytes=(\d+)-(\d+)?$/.exec(request.headers.range ?? '') ?? []
      const body = request.headers.range ? CSV.slice(Number(from), Number(to) + 1) : CSV
      response.writeHead(request.headers.range ? 206 : 200, {
        'content-length': body.length,
        'accept-ranges': 'bytes',
        etag: '"one"',
        ...(request.headers.range && { 'content-range': `bytes ${from}-${Math.min(Number(to), CSV.length - 1)}/${CSV.length}` }),
      })
      response.end(request.method === 'HEAD' ? undefined : body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterAll(() => void server.close())
  sourceContract(() => {
    const uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    return { open: () => opened(http.openSource?.(http.fromUri(uri), nodeIo())), stream: 'people.csv', rows: ROWS, chunkBytes: 40_000 }
  })
})
