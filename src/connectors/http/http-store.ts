import type { Io } from '../../core/connector.ts'
import type { IngestError, Place } from '../../core/errors.ts'
import { objectChanged, unsupported } from '../shared/faults.ts'
import { invalidOption } from '../shared/file-options.ts'
import { fetchInTime } from '../shared/in-time.ts'
import type { ByteRange, ObjectStore, OpenedBody, StoredObject } from '../shared/object-store.ts'
import type { HttpConfig } from './config.ts'
import { httpFault } from './faults.ts'

/** One file of a web server. Keys of `StoredObject` are the path, without the query, which may hold a signature. */
export class HttpStore implements ObjectStore {
  readonly system = 'http'
  readonly address: string
  private readonly config: HttpConfig
  private readonly io: Io

  constructor(config: HttpConfig, io: Io) {
    this.config = config
    this.io = io
    this.address = httpAddress(config)
  }

  async check(): Promise<void> {
    const response = await this.send(this.config.url, { range: 'bytes=0-0' }, this.io.signal, this.place())
    await response.body?.cancel()
    // A folder need not answer; that the server does, and takes the credentials, is what can be known before a file is named.
    if (response.status === 401 || response.status === 429 || response.status >= 500) throw httpFault(response, this.place())
  }

  async *list(pattern: string, hinted: boolean): AsyncGenerator<StoredObject, void> {
    const url = this.fileUrl(pattern, hinted)
    const place = this.place(url.pathname)
    // A range request tells more than HEAD, which many servers and all signed URLs refuse.
    const response = await this.send(url.href, { range: 'bytes=0-0' }, this.io.signal, place)
    await response.body?.cancel()
    const part = /^bytes (?:0-0|\*)\/(\d+)$/.exec(response.headers.get('content-range') ?? '')
    const validators = validatorsOf(response)
    if (response.status === 416 && part?.[1] === '0') yield { key: url.pathname, size: 0, ranges: false, ...validators }
    else if (response.status === 206 && part) {
      // Without a validator nobody could tell that the file changed between two parts.
      yield {
        key: url.pathname,
        size: Number(part[1]),
        ranges: validators.etag !== undefined || validators.modified !== undefined,
        ...validators,
      }
    } else if (response.status === 200) {
      const length = isEncoded(response) ? null : response.headers.get('content-length')
      yield { key: url.pathname, ranges: false, ...(length !== null && { size: Number(length) }), ...validators }
    } else throw httpFault(response, place)
  }

  async open(object: StoredObject, range: ByteRange | undefined, signal: AbortSignal): Promise<OpenedBody> {
    const place = this.place(object.key)
    const headers: Record<string, string> = {}
    if (range) headers.range = `bytes=${range.from}-${range.to - 1}`
    if (object.etag !== undefined) headers['if-match'] = object.etag
    else if (object.modified !== undefined) headers['if-unmodified-since'] = object.modified
    const response = await this.send(this.urlOf(object).href, headers, signal, place)
    const failure = this.refused(response, object, range, place)
    if (failure) {
      await response.body?.cancel()
      throw failure
    }
    return { body: response.body, bytes: range ? range.to - range.from : object.size }
  }

  private refused(response: Response, object: StoredObject, range: ByteRange | undefined, place: Place): IngestError | undefined {
    if (!response.ok) return httpFault(response, place)
    const now = validatorsOf(response)
    if (object.etag !== undefined ? now.etag !== object.etag : object.modified !== undefined && now.modified !== object.modified)
      return objectChanged(place)
    if (isEncoded(response)) {
      return unsupported(
        `The server answers with Content-Encoding ${response.headers.get('content-encoding')}, though asked for the file as it is`,
        place,
        'Turn compression on the way off for this file; the suffix .gz or .zst says that the file itself is compressed.',
      )
    }
    if (!range) return response.status === 200 ? undefined : httpFault(response, place)
    const part = response.headers.get('content-range') ?? ''
    if (response.status !== 206 || !part.startsWith(`bytes ${range.from}-${range.to - 1}/`)) {
      return unsupported(
        'The server answered with another range than asked for',
        place,
        'Use a server that answers range requests the same way every time.',
      )
    }
    if (object.size !== undefined && !part.endsWith(`/${object.size}`) && !part.endsWith('/*')) return objectChanged(place)
    return undefined
  }

  /**
   * The URL is the file itself when its last part has a suffix, or when a hint behind the table name says what it is;
   * otherwise, and whenever it ends with a slash, it is a folder and the stream a path in it.
   */
  private fileUrl(stream: string, hinted: boolean): URL {
    const base = new URL(this.config.url)
    const path = base.pathname
    if (!path.endsWith('/') && (hinted || path.slice(path.lastIndexOf('/')).includes('.'))) return this.withQuery(base)
    if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(stream))
      throw invalidOption('', 'Name the file relative to the address of the source, not by a whole URL')
    if (stream.split('/').includes('..')) throw invalidOption('', 'A file name may not climb with ".."')
    base.pathname = `${path.endsWith('/') ? path : `${path}/`}${stream.replace(/^\/+/, '').split('/').map(encodeURIComponent).join('/')}`
    return this.withQuery(base)
  }

  private urlOf(object: StoredObject): URL {
    const url = new URL(this.config.url)
    url.pathname = object.key
    return this.withQuery(url)
  }

  private withQuery(url: URL): URL {
    url.search = this.config.query
    return url
  }

  private async send(url: string, headers: Record<string, string>, signal: AbortSignal, place: Place): Promise<Response> {
    const { username, password } = this.config
    // With a range the runtime asks for the plain bytes by itself.
    const all: Record<string, string> = headers.range === undefined ? { 'accept-encoding': 'identity', ...headers } : { ...headers }
    if (username !== undefined || password !== undefined) all.authorization = `Basic ${base64(`${username ?? ''}:${password ?? ''}`)}`
    return await fetchInTime(this.io, url, { headers: all, signal }, place)
  }

  private place(resource?: string): Place {
    return { side: 'source', system: this.system, address: this.address, ...(resource !== undefined && { resource }) }
  }
}

export function httpAddress({ url }: HttpConfig): string {
  return new URL(url).origin
}

/** Only strong validators: a weak ETag may stay the same for other bytes. */
function validatorsOf(response: Response): { etag?: string; modified?: string } {
  const etag = response.headers.get('etag')
  const modified = response.headers.get('last-modified')
  return { ...(etag !== null && !etag.startsWith('W/') && { etag }), ...(modified !== null && { modified }) }
}

function isEncoded(response: Response): boolean {
  return !['', 'identity'].includes(response.headers.get('content-encoding') ?? '')
}

function base64(text: string): string {
  let binary = ''
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte)
  return btoa(binary)
}
