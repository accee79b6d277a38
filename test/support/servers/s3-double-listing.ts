import type { StoredObject } from './s3-double-objects.ts'
import { S3Refusal } from './s3-double-refusal.ts'

const PAGE_MAX_KEYS = 1000

/** ListObjectsV2: keys in UTF-8 byte order, prefixes rolled up, pages by an opaque token. */
export function listing(bucket: string, objects: Map<string, StoredObject>, query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const limit = Math.min(Number(query.get('max-keys') ?? PAGE_MAX_KEYS), PAGE_MAX_KEYS)
  if (!Number.isInteger(limit) || limit < 0) throw new S3Refusal(400, 'InvalidArgument', 'max-keys is not a number')
  const token = query.get('continuation-token')
  const after = token !== null ? tokenKey(token) : (query.get('start-after') ?? '')
  const encode = query.get('encoding-type') === 'url' ? urlEncoded : xmlText
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const entries: string[] = []
  const rolled = new Set<string>()
  let last = ''
  let truncated = false
  for (const key of keys) {
    const cut = delimiter ? key.indexOf(delimiter, prefix.length) : -1
    const common = cut < 0 ? undefined : key.slice(0, cut + delimiter.length)
    if (
      Buffer.compare(Buffer.from(key), Buffer.from(after)) <= 0 ||
      (common !== undefined && (rolled.has(common) || after.startsWith(common)))
    )
      continue
    if (entries.length === limit) {
      truncated = limit > 0
      break
    }
    last = key
    if (common !== undefined) {
      rolled.add(common)
      entries.push(`<CommonPrefixes><Prefix>${encode(common)}</Prefix></CommonPrefixes>`)
    } else {
      const object = objects.get(key)
      if (!object) continue
      entries.push(
        `<Contents><Key>${encode(key)}</Key><LastModified>${object.modified.toISOString()}</LastModified>` +
          `<ETag>${xmlText(object.etag)}</ETag><Size>${object.body.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
      )
    }
  }
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
    `<Name>${xmlText(bucket)}</Name><Prefix>${encode(prefix)}</Prefix><KeyCount>${entries.length}</KeyCount><MaxKeys>${limit}</MaxKeys>` +
    (delimiter ? `<Delimiter>${encode(delimiter)}</Delimiter>` : '') +
    (query.get('encoding-type') === 'url' ? '<EncodingType>url</EncodingType>' : '') +
    `<IsTruncated>${truncated}</IsTruncated>${truncated ? `<NextContinuationToken>${keyToken(last)}</NextContinuationToken>` : ''}` +
    `${entries.join('')}</ListBucketResult>`
  )
}

/** With characters that must be escaped in a query, as real tokens have. */
function keyToken(key: string): string {
  return `1+${Buffer.from(key).toString('base64')}`
}

function tokenKey(token: string): string {
  if (!token.startsWith('1+')) throw new S3Refusal(400, 'InvalidArgument', 'The continuation token provided is incorrect')
  return Buffer.from(token.slice(2), 'base64').toString()
}

function urlEncoded(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%2F', '/')
    .replaceAll('%20', '+')
}

export function xmlText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll('\r', '&#13;')
}
