import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { listing, xmlText } from './s3-double-listing.ts'
import { S3Objects, type StoredObject, unquoted } from './s3-double-objects.ts'
import { S3Refusal } from './s3-double-refusal.ts'
import { type S3Identity, verifySignature } from './s3-double-signature.ts'

export interface S3DoubleOptions {
  identities?: S3Identity[]
  /** Requests without a signature are answered. */
  anonymous?: boolean
  region?: string
  nowMs?: () => number
  /** Parts before the last one must be at least this large. */
  minPartBytes?: number
  port?: number
}

/** What goes wrong for requests that match, the first `times` times. */
export interface S3Fault {
  when: (request: { method: string; key: string; query: URLSearchParams }) => boolean
  times?: number
  does:
    | { type: 'answer'; status: number; code: string; headers?: Record<string, string> }
    /** The announced length stays; the connection ends early. */
    | { type: 'truncate'; afterBytes: number }
    /** Sends this much and then nothing, until the client leaves. */
    | { type: 'stall'; afterBytes: number }
    | { type: 'slow'; bytesPerSecond: number }
}

export interface S3Request {
  method: string
  bucket: string
  key: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
  status: number
}

export const S3_DOUBLE_IDENTITY: S3Identity = { accessKeyId: 'AKIADOUBLE', secretAccessKey: 'double/secret+key=' }

/** An S3 on loopback for tests: checks signature, body hash and clock of every request; path style, or virtual hosts under `.localhost`. */
export class S3Double {
  readonly port: number
  /** Endpoint without a trailing slash. */
  readonly url: string
  readonly requests: S3Request[] = []
  readonly faults: S3Fault[] = []
  readonly objects: S3Objects
  private readonly server: Server
  private readonly options: Required<Omit<S3DoubleOptions, 'port'>>

  static async start(options: S3DoubleOptions = {}): Promise<S3Double> {
    const server = createServer()
    server.listen(options.port ?? 0, '127.0.0.1')
    await once(server, 'listening')
    return new S3Double(server, options)
  }

  private constructor(server: Server, options: S3DoubleOptions) {
    this.server = server
    this.port = (server.address() as AddressInfo).port
    this.url = `http://127.0.0.1:${this.port}`
    this.options = {
      identities: options.identities ?? [S3_DOUBLE_IDENTITY],
      anonymous: options.anonymous ?? false,
      region: options.region ?? 'us-east-1',
      nowMs: options.nowMs ?? Date.now,
      minPartBytes: options.minPartBytes ?? 5 * 1024 * 1024,
    }
    this.objects = new S3Objects(this.options.minPartBytes)
    server.on('request', (request, response) => void this.answer(request, response))
  }

  /** Stores an object, and its bucket when that is missing. */
  put(bucket: string, key: string, body: Uint8Array | string, headers: Record<string, string> = {}): void {
    if (!this.objects.buckets.has(bucket)) this.objects.buckets.set(bucket, new Map())
    this.objects.put(bucket, key, typeof body === 'string' ? new TextEncoder().encode(body) : body, headers)
  }

  get(bucket: string, key: string): Uint8Array | undefined {
    return this.objects.buckets.get(bucket)?.get(key)?.body
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { bucket, key, query } = address(request)
    const seen: S3Request = { method: request.method ?? 'GET', bucket, key, query, headers: request.headers, status: 0 }
    this.requests.push(seen)
    response.on('finish', () => {
      seen.status = response.statusCode
    })
    try {
      const body = await bodyOf(request)
      const fault = this.takeFault(seen)
      if (fault?.type === 'answer') {
        for (const [name, value] of Object.entries(fault.headers ?? {})) response.setHeader(name, value)
        throw new S3Refusal(fault.status, fault.code, `Made to answer ${fault.status}.`)
      }
      await verifySignature(request, body, this.options)
      this.route(seen, body, response, fault)
    } catch (error) {
      seen.status = refuse(response, error, seen.method === 'HEAD')
    }
  }

  private takeFault(request: S3Request): S3Fault['does'] | undefined {
    const fault = this.faults.find((candidate) => candidate.times !== 0 && candidate.when(request))
    if (fault?.times !== undefined) fault.times--
    return fault?.does
  }

  private route(request: S3Request, body: Uint8Array, response: ServerResponse, fault: S3Fault['does'] | undefined): undefined {
    const { method, bucket, key, query, headers } = request
    if (bucket === '') {
      if (method !== 'GET') throw new S3Refusal(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.')
      const names = [...this.objects.buckets.keys()].map((name) => `<Bucket><Name>${xmlText(name)}</Name></Bucket>`).join('')
      return xml(response, `<ListAllMyBucketsResult><Buckets>${names}</Buckets></ListAllMyBucketsResult>`)
    }
    if (key === '') return this.routeBucket(request, body, response)
    const uploadId = query.get('uploadId')
    const condition = { ifMatch: text(headers['if-match']), ifNoneMatch: text(headers['if-none-match']) }
    switch (method) {
      case 'GET':
      case 'HEAD':
        return sendObject(this.objects.object(bucket, key), request, response, fault)
      case 'PUT': {
        if (headers['x-amz-copy-source'] !== undefined) throw new S3Refusal(501, 'NotImplemented', 'Copies are not implemented here.')
        const etag =
          uploadId !== null
            ? this.objects.putPart(uploadId, Number(query.get('partNumber')), body)
            : this.objects.put(bucket, key, body, keptHeaders(headers), condition)
        response.setHeader('etag', etag)
        return void response.end()
      }
      case 'POST': {
        if (query.has('uploads')) {
          const id = this.objects.startUpload(bucket, key, keptHeaders(headers))
          return xml(
            response,
            `<InitiateMultipartUploadResult><Bucket>${xmlText(bucket)}</Bucket><Key>${xmlText(key)}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
          )
        }
        if (uploadId === null) break
        const etag = this.objects.completeUpload(uploadId, listedParts(body), condition)
        return xml(
          response,
          `<CompleteMultipartUploadResult><Bucket>${xmlText(bucket)}</Bucket><Key>${xmlText(key)}</Key><ETag>${xmlText(etag)}</ETag></CompleteMultipartUploadResult>`,
        )
      }
      case 'DELETE':
        if (uploadId !== null) this.objects.abortUpload(uploadId)
        else this.objects.bucket(bucket).delete(key)
        response.statusCode = 204
        return void response.end()
    }
    throw new S3Refusal(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.')
  }

  private routeBucket({ method, bucket, query }: S3Request, body: Uint8Array, response: ServerResponse): undefined {
    if (method === 'PUT') {
      if (!this.objects.buckets.has(bucket)) this.objects.buckets.set(bucket, new Map())
      return void response.end()
    }
    const objects = this.objects.bucket(bucket)
    if (method === 'HEAD') return void response.end()
    if (method === 'GET' && query.get('list-type') === '2') return xml(response, listing(bucket, objects, query))
    if (method === 'POST' && query.has('delete')) {
      for (const [, key = ''] of Buffer.from(body)
        .toString()
        .matchAll(/<Key>([^<]*)<\/Key>/g))
        objects.delete(xmlDecoded(key))
      return xml(response, '<DeleteResult></DeleteResult>')
    }
    if (method === 'DELETE') {
      if (objects.size > 0) throw new S3Refusal(409, 'BucketNotEmpty', 'The bucket you tried to delete is not empty')
      this.objects.buckets.delete(bucket)
      response.statusCode = 204
      return void response.end()
    }
    throw new S3Refusal(501, 'NotImplemented', 'Not implemented here.')
  }
}

function address(request: IncomingMessage): { bucket: string; key: string; query: URLSearchParams } {
  const [path = '/', search = ''] = (request.url ?? '/').split(/\?(.*)/s)
  const decoded = decodeURIComponent(path).slice(1)
  // Not URLSearchParams on the raw text: a '+' in an S3 query is a plus.
  const query = new URLSearchParams(search.replaceAll('+', '%2B'))
  const host = /^(.+)\.localhost(?::\d+)?$/.exec(request.headers.host ?? '')?.[1]
  if (host !== undefined) return { bucket: host, key: decoded, query }
  const slash = decoded.indexOf('/')
  return slash < 0 ? { bucket: decoded, key: '', query } : { bucket: decoded.slice(0, slash), key: decoded.slice(slash + 1), query }
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

function sendObject(object: StoredObject, request: S3Request, response: ServerResponse, fault: S3Fault['does'] | undefined): undefined {
  const { headers, method } = request
  const failed = () => new S3Refusal(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold')
  if (
    headers['if-match'] !== undefined &&
    headers['if-match'] !== '*' &&
    unquoted(text(headers['if-match']) ?? '') !== unquoted(object.etag)
  )
    throw failed()
  const before = headers['if-unmodified-since']
  if (before !== undefined && headers['if-match'] === undefined && Math.floor(object.modified.getTime() / 1000) * 1000 > Date.parse(before))
    throw failed()
  response.setHeader('etag', object.etag)
  response.setHeader('last-modified', object.modified.toUTCString())
  response.setHeader('accept-ranges', 'bytes')
  for (const [name, value] of Object.entries(object.headers)) response.setHeader(name, value)
  if (text(headers['if-none-match']) !== undefined && unquoted(text(headers['if-none-match']) ?? '') === unquoted(object.etag)) {
    response.statusCode = 304
    return void response.end()
  }
  const range = rangeOf(text(headers.range), object.body.length)
  const body = range ? object.body.subarray(range.start, range.end) : object.body
  if (range) {
    response.statusCode = 206
    response.setHeader('content-range', `bytes ${range.start}-${range.end - 1}/${object.body.length}`)
  }
  response.setHeader('content-length', body.length)
  if (method === 'HEAD') return void response.end()
  if (!fault || fault.type === 'answer') return void response.end(body)
  if (fault.type === 'slow') return void drip(response, body, fault.bytesPerSecond)
  response.write(body.subarray(0, fault.afterBytes))
  // A moment, so that what was written leaves before the connection does.
  if (fault.type === 'truncate') setTimeout(() => response.destroy(), 20)
  return undefined
}

async function drip(response: ServerResponse, body: Uint8Array, bytesPerSecond: number): Promise<void> {
  const step = Math.max(1, Math.floor(bytesPerSecond / 20))
  for (let at = 0; at < body.length && !response.destroyed; at += step) {
    response.write(body.subarray(at, at + step))
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  response.end()
}

function rangeOf(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const parts = header === undefined ? null : /^bytes=(\d*)-(\d*)$/.exec(header)
  if (!parts || (parts[1] === '' && parts[2] === '')) return undefined
  const start = parts[1] === '' ? Math.max(0, size - Number(parts[2])) : Number(parts[1])
  const end = parts[1] === '' || parts[2] === '' ? size : Math.min(size, Number(parts[2]) + 1)
  if (start >= size || end <= start) throw new S3Refusal(416, 'InvalidRange', 'The requested range is not satisfiable')
  return { start, end }
}

function keptHeaders(headers: IncomingMessage['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name === 'content-type' || name === 'content-encoding' || name.startsWith('x-amz-meta-'))
      .map(([name, value]) => [name, String(value)]),
  )
}

function listedParts(body: Uint8Array): { number: number; etag: string }[] {
  return [
    ...Buffer.from(body)
      .toString()
      .matchAll(/<Part>(.*?)<\/Part>/gs),
  ].map(([, part = '']) => ({
    number: Number(/<PartNumber>(\d+)<\/PartNumber>/.exec(part)?.[1]),
    etag: xmlDecoded(/<ETag>([^<]*)<\/ETag>/.exec(part)?.[1] ?? ''),
  }))
}

function xmlDecoded(value: string): string {
  return value.replaceAll('&quot;', '"').replaceAll('&#34;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header
}

function xml(response: ServerResponse, body: string): undefined {
  response.setHeader('content-type', 'application/xml')
  return void response.end(body)
}

function refuse(response: ServerResponse, error: unknown, bodiless: boolean): number {
  const refusal = error instanceof S3Refusal ? error : new S3Refusal(500, 'InternalError', String(error))
  if (response.headersSent) {
    response.destroy()
    return refusal.status
  }
  if (refusal.region) response.setHeader('x-amz-bucket-region', refusal.region)
  response.removeHeader('content-length')
  response.statusCode = refusal.status
  response.setHeader('content-type', 'application/xml')
  const region = refusal.region ? `<Region>${xmlText(refusal.region)}</Region>` : ''
  response.end(
    bodiless
      ? undefined
      : `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${refusal.code}</Code><Message>${xmlText(refusal.message)}</Message>${region}</Error>`,
  )
  return refusal.status
}
