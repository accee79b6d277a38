import { S3_DOUBLE_IDENTITY, type S3Double } from '../support/servers/s3-double.ts'

/** The URI of a bucket in the double, with the rights to read it. */
export function s3Uri(store: S3Double, over: Record<string, string> = {}, bucket = 'lake'): string {
  const options = {
    access_key_id: S3_DOUBLE_IDENTITY.accessKeyId,
    access_key_secret: S3_DOUBLE_IDENTITY.secretAccessKey,
    endpoint_url: store.url,
    ...over,
  }
  return `s3://${bucket}?${Object.entries(options)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&')}`
}
