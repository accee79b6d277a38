import type { StoredObject } from '../shared/object-store.ts'

/** The text of the first element of this name. S3's answers are flat enough to need no parser. */
export function tag(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
  return text === undefined ? undefined : unescapeXml(text)
}

export interface ListedPage {
  objects: StoredObject[]
  /** Where to go on; absent on the last page. */
  next?: string
}

/** An answer of ListObjectsV2 asked for with `encoding-type=url`. */
export function parseListing(xml: string): ListedPage {
  const encoded = tag(xml, 'EncodingType') === 'url'
  const objects: StoredObject[] = []
  for (const [, entry = ''] of xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
    const key = tag(entry, 'Key') ?? ''
    objects.push({
      key: encoded ? decodeURIComponent(key.replaceAll('+', ' ')) : key,
      size: Number(tag(entry, 'Size')),
      etag: tag(entry, 'ETag'),
      ranges: true,
    })
  }
  const next = tag(xml, 'IsTruncated') === 'true' ? tag(xml, 'NextContinuationToken') : undefined
  return { objects, ...(next !== undefined && { next }) }
}

function unescapeXml(text: string): string {
  return text.replace(
    /&(?:#(\d+)|#x([0-9a-fA-F]+)|(\w+));/g,
    (whole, decimal: string | undefined, hex: string | undefined, name: string | undefined) => {
      if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
      if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
      return { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }[name ?? ''] ?? whole
    },
  )
}
