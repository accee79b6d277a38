import type { Io } from '../../core/connector.ts'
import { IngestError, type Place } from '../../core/errors.ts'
import { missing, objectChanged, unsupported } from '../shared/faults.ts'
import { invalidOption } from '../shared/file-options.ts'
import { textInTime } from '../shared/in-time.ts'
import type { ByteRange, ObjectStore, OpenedBody, StoredObject } from '../shared/object-store.ts'
import type { S3Config } from './config.ts'
import { hasWildcards, parseGlob } from './glob.ts'
import { S3Client } from './s3-client.ts'
import { parseListing } from './s3-xml.ts'

/** Objects of S3 and of the stores that speak its protocol. Keys of `StoredObject` are `bucket/key` when the bucket comes with the stream. */
export class S3Store implements ObjectStore {
  readonly system = 's3'
  readonly address: string
  private readonly config: S3Config
  private readonly io: Io
  private readonly client: S3Client

  constructor(config: S3Config, io: Io) {
    this.config = config
    this.io = io
    this.client = new S3Client(config, io)
    this.address = s3Address(config)
  }

  async check(): Promise<void> {
    const { bucket } = this.config
    const query = bucket === undefined ? undefined : { 'list-type': '2', 'max-keys': '1' }
    const response = await this.client.send({ method: 'GET', bucket, query, signal: this.io.signal }, this.place())
    if (response.ok) return void (await response.body?.cancel())
    const fault = await this.client.fault(response, this.place())
    // The signature was accepted: a key may be allowed to read objects without being allowed to list them.
    if (fault.fault.tag === 'denied' && fault.fault.code === 'AccessDenied' && this.config.accessKeyId !== undefined) return
    throw fault
  }

  async *list(pattern: string): AsyncGenerator<StoredObject, void> {
    const { bucket, key } = this.split(pattern)
    if (key === '') throw invalidOption('', 'Name the files as the table: a key, or a pattern such as "dir/*.csv"')
    const place = this.place(pattern)
    const exact = await this.exactly(bucket, key, place)
    if (exact) {
      yield { ...exact, key: pattern }
      return
    }
    const glob = parseGlob(key)
    const lead = pattern.slice(0, pattern.length - key.length)
    let found = false
    for await (const object of this.listed(bucket, glob.prefix, place)) {
      if (!glob.matches(object.key) || isMarker(object)) continue
      found = true
      yield { ...object, key: lead + object.key }
    }
    if (!found)
      throw missing(
        'No object matches the pattern',
        place,
        'Check the pattern: * and ? stay within one folder, ** crosses folders; upper and lower case count.',
      )
  }

  async open(object: StoredObject, range: ByteRange | undefined, signal: AbortSignal): Promise<OpenedBody> {
    const { bucket, key } = this.split(object.key)
    const place = this.place(object.key)
    const headers: Record<string, string> = {}
    if (object.etag !== undefined) headers['if-match'] = object.etag
    if (range) headers.range = `bytes=${range.from}-${range.to - 1}`
    const response = await this.client.send({ method: 'GET', bucket, key, headers, signal }, place)
    if (response.status !== (range ? 206 : 200)) {
      if (response.ok) {
        await response.body?.cancel()
        throw unsupported(
          `The store answered ${response.status} to a request for a range`,
          place,
          'Use a store that answers range requests.',
        )
      }
      const fault = await this.client.fault(response, place)
      // The object was there when it was listed.
      throw fault.fault.tag === 'missing' && fault.fault.code === 'NoSuchKey' && object.etag !== undefined ? objectChanged(place) : fault
    }
    await this.refuseOther(response, object, range, place)
    return { body: response.body, bytes: range ? range.to - range.from : object.size }
  }

  /** A store that ignores If-Match or Range must not go unnoticed. */
  private async refuseOther(response: Response, object: StoredObject, range: ByteRange | undefined, place: Place): Promise<void> {
    const etag = response.headers.get('etag')
    const encoding = response.headers.get('content-encoding') ?? 'identity'
    const part = response.headers.get('content-range')
    const failure =
      object.etag !== undefined && etag !== null && etag !== object.etag
        ? objectChanged(place)
        : !['identity', 'aws-chunked', ''].includes(encoding)
          ? unsupported(
              `The object is stored with Content-Encoding ${encoding}, which is undone on the way`,
              place,
              'Remove that header from the object; the suffix .gz or .zst says enough.',
            )
          : range && part !== null && !part.startsWith(`bytes ${range.from}-${range.to - 1}/`)
            ? unsupported('The store answered with another range than asked for', place, 'Use a store that answers range requests.')
            : undefined
    if (!failure) return
    await response.body?.cancel()
    throw failure
  }

  /** The object of exactly this key. A name with wildcards may be a key as well; without, it must be. */
  private async exactly(bucket: string, key: string, place: Place): Promise<StoredObject | undefined> {
    const response = await this.client.send({ method: 'HEAD', bucket, key, signal: this.io.signal }, place)
    if (response.ok) {
      const size = response.headers.get('content-length')
      return { key, etag: response.headers.get('etag') ?? undefined, ranges: true, ...(size !== null && { size: Number(size) }) }
    }
    if (hasWildcards(key) && [400, 403, 404].includes(response.status)) return undefined
    // An answer to HEAD has no body; the reason is in that to GET.
    const again = await this.client.send({ method: 'GET', bucket, key, headers: { range: 'bytes=0-0' }, signal: this.io.signal }, place)
    if (!again.ok) throw await this.client.fault(again, place)
    await again.body?.cancel()
    throw await this.client.fault(response, place)
  }

  private async *listed(bucket: string, prefix: string, place: Place): AsyncGenerator<StoredObject, void> {
    let token: string | undefined
    do {
      const query = { 'list-type': '2', prefix, 'encoding-type': 'url', ...(token !== undefined && { 'continuation-token': token }) }
      const response = await this.client.send({ method: 'GET', bucket, query, signal: this.io.signal }, place)
      if (!response.ok) throw await this.client.fault(response, place)
      const page = parseListing(await textInTime(this.io, response, place))
      yield* page.objects
      if (page.next !== undefined && page.next === token)
        throw new IngestError({ tag: 'rejected', message: 'The listing does not go on', place, remedy: 'Ask who runs the store.' })
      token = page.next
    } while (token !== undefined)
  }

  private split(pattern: string): { bucket: string; key: string } {
    const { bucket } = this.config
    if (bucket !== undefined) return { bucket, key: pattern }
    const slash = pattern.indexOf('/')
    const name = slash < 0 ? pattern : pattern.slice(0, slash)
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(name))
      throw invalidOption('', 'Name the files as bucket/key, because the URI names no bucket')
    return { bucket: name, key: slash < 0 ? '' : pattern.slice(slash + 1) }
  }

  private place(resource?: string): Place {
    return { side: 'source', system: this.system, address: this.address, ...(resource !== undefined && { resource }) }
  }
}

export function s3Address({ endpointUrl, region, bucket }: S3Config): string {
  const host = endpointUrl === undefined ? `s3.${region}.amazonaws.com` : new URL(endpointUrl).host
  return `s3://${host}${bucket === undefined ? '' : `/${bucket}`}`
}

/** Folder markers, and files that writers put beside their data (`_SUCCESS`, `.crc`), are no data. */
function isMarker({ key, size }: StoredObject): boolean {
  return (key.endsWith('/') && size === 0) || /^[_.]/.test(key.split('/').at(-1) ?? '')
}
