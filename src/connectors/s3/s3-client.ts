import { AwsClient } from 'aws4fetch'
import type { Io } from '../../core/connector.ts'
import type { Place } from '../../core/errors.ts'
import { IngestError } from '../../core/errors.ts'
import { fetchInTime, textInTime } from '../shared/in-time.ts'
import type { S3Config } from './config.ts'
import { type S3Answer, s3Fault } from './faults.ts'
import { tag } from './s3-xml.ts'

/** An error body is a few hundred bytes. */
const ERROR_MAX_CHARS = 16 * 1024

export interface S3Request {
  method: 'GET' | 'HEAD'
  bucket?: string
  key?: string
  query?: Record<string, string>
  headers?: Record<string, string>
  signal: AbortSignal
}

/** Signed requests to one store. Signing and sending are apart, so that every request passes the address guard of `io.fetch`. */
export class S3Client {
  private readonly config: S3Config
  private readonly io: Io
  private readonly signer: AwsClient | undefined

  constructor(config: S3Config, io: Io) {
    this.config = config
    this.io = io
    const { accessKeyId, secretAccessKey, sessionToken, region } = config
    if (accessKeyId !== undefined && secretAccessKey !== undefined) {
      this.signer = new AwsClient({ accessKeyId, secretAccessKey, sessionToken, region, service: 's3' })
    }
  }

  /** The answer, whatever its status. @throws IngestError `unreachable`, `cancelled` */
  async send(request: S3Request, place: Place): Promise<Response> {
    const url = this.url(request.bucket, request.key, request.query, place)
    const headers = new Headers(
      this.signer ? (await this.signer.sign(url, { method: request.method, headers: request.headers })).headers : request.headers,
    )
    // Not signed: runtimes add to it by themselves.
    if (!headers.has('range')) headers.set('accept-encoding', 'identity')
    // Not followed: a redirect of S3 names another region, and a signature is good for one host.
    return await fetchInTime(this.io, url, { method: request.method, headers, redirect: 'manual', signal: request.signal }, place)
  }

  /** The fault of an answer that is not wanted; reads its body. */
  async fault(response: Response, place: Place): Promise<IngestError> {
    const text =
      response.status === 304 || !response.body
        ? ''
        : (await textInTime(this.io, response, place).catch(() => '')).slice(0, ERROR_MAX_CHARS)
    const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN)
    const answer: S3Answer = {
      status: response.status,
      code: tag(text, 'Code'),
      message: tag(text, 'Message'),
      region: response.headers.get('x-amz-bucket-region') ?? tag(text, 'Region'),
      ...(Number.isFinite(retryAfter) && { retryAfterSeconds: retryAfter }),
    }
    return s3Fault(answer, { region: this.config.region, signed: this.signer !== undefined }, place)
  }

  private url(bucket: string | undefined, key: string | undefined, query: Record<string, string> = {}, place: Place): string {
    const { endpointUrl, region, pathStyle } = this.config
    const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
    const base = new URL(endpointUrl ?? `https://s3.${region}.${suffix}`)
    const path = key === undefined ? '' : escapeKey(key, place)
    const search = Object.entries(query)
      .map(([name, value]) => `${escapePart(name)}=${escapePart(value)}`)
      .join('&')
    const root = base.pathname.replace(/\/+$/, '')
    const host =
      bucket !== undefined && !pathStyle
        ? `${base.protocol}//${bucket}.${base.host}${root}`
        : `${base.protocol}//${base.host}${root}${bucket === undefined ? '' : `/${bucket}`}`
    return `${host}/${path}${search ? `?${search}` : ''}`
  }
}

/** Every byte but the unreserved ones escaped: the signature is computed over exactly this form. */
function escapePart(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

function escapeKey(key: string, place: Place): string {
  const parts = key.split('/')
  if (!key.isWellFormed() || parts.includes('.') || parts.includes('..')) {
    throw new IngestError({
      tag: 'unsupported',
      message: 'A key with "." or ".." as a part cannot be addressed by a URL',
      place: { side: 'source', ...place },
      remedy: 'Rename the object.',
    })
  }
  return parts.map(escapePart).join('/')
}
