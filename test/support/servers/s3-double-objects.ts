import { createHash, randomBytes } from 'node:crypto'
import { S3Refusal } from './s3-double-refusal.ts'

export interface StoredObject {
  body: Uint8Array
  etag: string
  modified: Date
  headers: Record<string, string>
}

interface Upload {
  bucket: string
  key: string
  headers: Record<string, string>
  parts: Map<number, { body: Uint8Array; etag: string }>
}

export interface WriteCondition {
  ifMatch?: string
  ifNoneMatch?: string
}

/** Buckets, objects and unfinished uploads, in memory; every write replaces an object in one step. */
export class S3Objects {
  readonly buckets = new Map<string, Map<string, StoredObject>>()
  private readonly uploads = new Map<string, Upload>()
  private readonly minPartBytes: number

  constructor(minPartBytes: number) {
    this.minPartBytes = minPartBytes
  }

  bucket(name: string): Map<string, StoredObject> {
    const found = this.buckets.get(name)
    if (!found) throw new S3Refusal(404, 'NoSuchBucket', 'The specified bucket does not exist')
    return found
  }

  object(bucket: string, key: string): StoredObject {
    const found = this.bucket(bucket).get(key)
    if (!found) throw new S3Refusal(404, 'NoSuchKey', 'The specified key does not exist.')
    return found
  }

  put(
    bucket: string,
    key: string,
    body: Uint8Array,
    headers: Record<string, string> = {},
    condition: WriteCondition = {},
    etag = quoted(md5(body)),
  ): string {
    const objects = this.bucket(bucket)
    const existing = objects.get(key)
    if (condition.ifNoneMatch === '*' && existing)
      throw new S3Refusal(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold')
    if (condition.ifMatch !== undefined) {
      if (!existing) throw new S3Refusal(404, 'NoSuchKey', 'The specified key does not exist.')
      if (unquoted(condition.ifMatch) !== unquoted(existing.etag))
        throw new S3Refusal(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold')
    }
    objects.set(key, { body, etag, modified: new Date(), headers })
    return etag
  }

  startUpload(bucket: string, key: string, headers: Record<string, string>): string {
    this.bucket(bucket)
    const id = randomBytes(12).toString('hex')
    this.uploads.set(id, { bucket, key, headers, parts: new Map() })
    return id
  }

  putPart(id: string, number: number, body: Uint8Array): string {
    if (!(number >= 1 && number <= 10_000))
      throw new S3Refusal(400, 'InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive')
    const etag = quoted(md5(body))
    this.upload(id).parts.set(number, { body, etag })
    return etag
  }

  completeUpload(id: string, listed: { number: number; etag: string }[], condition: WriteCondition): string {
    const upload = this.upload(id)
    if (listed.length === 0) throw new S3Refusal(400, 'MalformedXML', 'You must specify at least one part')
    const bodies: Uint8Array[] = []
    const hashes: Buffer[] = []
    listed.forEach(({ number, etag }, index) => {
      if (index > 0 && number <= (listed[index - 1]?.number ?? 0))
        throw new S3Refusal(400, 'InvalidPartOrder', 'The list of parts was not in ascending order.')
      const part = upload.parts.get(number)
      if (!part || unquoted(part.etag) !== unquoted(etag))
        throw new S3Refusal(400, 'InvalidPart', 'One or more of the specified parts could not be found.')
      if (index < listed.length - 1 && part.body.length < this.minPartBytes)
        throw new S3Refusal(400, 'EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size')
      bodies.push(part.body)
      hashes.push(Buffer.from(unquoted(part.etag), 'hex'))
    })
    const etag = quoted(`${md5(Buffer.concat(hashes))}-${listed.length}`)
    this.put(upload.bucket, upload.key, Buffer.concat(bodies), upload.headers, condition, etag)
    this.uploads.delete(id)
    return etag
  }

  abortUpload(id: string): void {
    this.upload(id)
    this.uploads.delete(id)
  }

  uploadCount(): number {
    return this.uploads.size
  }

  private upload(id: string): Upload {
    const upload = this.uploads.get(id)
    if (!upload) throw new S3Refusal(404, 'NoSuchUpload', 'The specified multipart upload does not exist.')
    return upload
  }
}

export function md5(body: Uint8Array): string {
  return createHash('md5').update(body).digest('hex')
}

function quoted(text: string): string {
  return `"${text}"`
}

export function unquoted(etag: string): string {
  return etag.replace(/^"|"$/g, '')
}
