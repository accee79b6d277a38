import { z } from 'zod'
import { IngestError } from '../../core/errors.ts'
import { FILE_OPTION_NAMES, fileOptions, invalidOption, parseOptions, refuseUnknown, takeFileOptions } from '../shared/file-options.ts'

export const s3Config = z.object({
  /** Absent: the stream begins with it, `bucket/key`. */
  bucket: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/, 'is no bucket name')
    .optional(),
  /** Without keys requests are not signed: public buckets. */
  accessKeyId: z.string().min(1).optional(),
  secretAccessKey: z.string().min(1).meta({ secret: true }).optional(),
  sessionToken: z.string().min(1).meta({ secret: true }).optional(),
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, 'is no region')
    .default('us-east-1'),
  /** Of an S3-compatible store, without the bucket. */
  endpointUrl: z.url({ protocol: /^https?$/ }).optional(),
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  pathStyle: z.boolean(),
  files: fileOptions,
})

export type S3Config = z.output<typeof s3Config>

const OPTIONS = [
  'access_key_id',
  'access_key_secret',
  'secret_access_key',
  'session_token',
  'region',
  'endpoint_url',
  'path_style',
  ...FILE_OPTION_NAMES,
]

/** `s3://bucket?access_key_id=&access_key_secret=&region=`, options in any order, or `s3://?…` with the bucket in the stream. */
export function s3ConfigFromUri(uri: string): S3Config {
  const parts = /^s3:\/\/([^?#]*)(?:\?(.*))?$/is.exec(uri)
  if (!parts) throw invalidOption('', 'Give s3://bucket?access_key_id=…&access_key_secret=…&region=…')
  const place = (parts[1] ?? '').replace(/\/$/, '')
  if (place.includes('@')) throw invalidOption('', 'Give credentials as the options access_key_id and access_key_secret')
  if (place.includes('/')) throw invalidOption('', 'Only a bucket stands behind s3://; name the files as the table, such as "dir/*.csv"')
  const given = parseOptions(parts[2] ?? '')
  const take = (name: string): string | undefined => {
    const value = given.get(name)
    given.delete(name)
    return value === '' ? undefined : value
  }
  const secrets = [take('access_key_secret'), take('secret_access_key')].filter((value) => value !== undefined)
  if (secrets.length > 1) throw invalidOption('secret_access_key', 'is the same option as access_key_secret: give one of them')
  const accessKeyId = take('access_key_id')
  const [secretAccessKey] = secrets
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    throw invalidOption(accessKeyId === undefined ? 'access_key_id' : 'access_key_secret', 'is missing: a key has an id and a secret')
  }
  const endpointUrl = take('endpoint_url')
  const pathStyle = take('path_style')
  if (pathStyle !== undefined && !['true', 'false'].includes(pathStyle)) throw invalidOption('path_style', 'must be true or false')
  const region = take('region')
  const sessionToken = take('session_token')
  const files = takeFileOptions(given)
  refuseUnknown(given, OPTIONS)
  const parsed = s3Config.safeParse({
    bucket: place === '' ? undefined : place,
    accessKeyId,
    secretAccessKey,
    sessionToken,
    region,
    endpointUrl: endpointUrl?.replace(/\/+$/, ''),
    // A certificate for *.s3.… does not cover a bucket name with dots.
    pathStyle: pathStyle === undefined ? endpointUrl !== undefined || place.includes('.') : pathStyle === 'true',
    files,
  })
  if (parsed.success) return parsed.data
  throw new IngestError({
    tag: 'invalid-request',
    issues: parsed.error.issues.map((issue) => ({ path: uriName(issue.path.join('.')), message: issue.message })),
  })
}

function uriName(path: string): string {
  return path.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`)
}
