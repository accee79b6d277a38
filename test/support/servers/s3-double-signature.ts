import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Sha256 } from '@aws-crypto/sha256-js'
import { SignatureV4 } from '@smithy/signature-v4'
import { S3Refusal } from './s3-double-refusal.ts'

const CLOCK_SKEW_MAX_MS = 15 * 60 * 1000

export interface S3Identity {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

export interface SignatureRules {
  region: string
  identities: readonly S3Identity[]
  anonymous: boolean
  nowMs: () => number
}

/** Signs the request once more with an implementation that has nothing in common with the client's, and compares. */
export async function verifySignature(request: IncomingMessage, body: Uint8Array, rules: SignatureRules): Promise<void> {
  const authorization = request.headers.authorization
  if (!authorization) {
    if (rules.anonymous) return
    throw new S3Refusal(403, 'AccessDenied', 'Access Denied')
  }
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    )
  if (!parts) throw new S3Refusal(400, 'AuthorizationHeaderMalformed', 'The authorization header is malformed.')
  const [, keyId = '', date = '', region = '', service = '', names = '', signature = ''] = parts
  const identity = rules.identities.find((candidate) => candidate.accessKeyId === keyId)
  if (!identity) throw new S3Refusal(403, 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.')
  if (service !== 's3' || region !== rules.region)
    throw new S3Refusal(
      400,
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; the region '${region}' is wrong; expecting '${rules.region}'`,
      {
        region: rules.region,
      },
    )
  if (identity.sessionToken !== undefined && request.headers['x-amz-security-token'] !== identity.sessionToken)
    throw new S3Refusal(400, 'InvalidToken', 'The provided token is malformed or otherwise invalid.')
  const signedAt = signingDate(request, date)
  if (Math.abs(rules.nowMs() - signedAt.getTime()) > CLOCK_SKEW_MAX_MS)
    throw new S3Refusal(403, 'RequestTimeTooSkewed', 'The difference between the request time and the current time is too large.')
  verifyBody(request, body)
  if ((await resign(request, identity, region, signedAt, names.split(';'))) !== signature)
    throw new S3Refusal(403, 'SignatureDoesNotMatch', 'The request signature we calculated does not match the signature you provided.')
}

function signingDate(request: IncomingMessage, date: string): Date {
  const header = String(request.headers['x-amz-date'] ?? '')
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(header)
  if (!parts || !header.startsWith(date))
    throw new S3Refusal(403, 'AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header')
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts.slice(1).map(Number)
  return new Date(Date.UTC(year, month - 1, day, hour, minute, second))
}

function verifyBody(request: IncomingMessage, body: Uint8Array): void {
  const claimed = request.headers['x-amz-content-sha256']
  if (claimed === undefined)
    throw new S3Refusal(400, 'MissingSecurityHeader', 'Missing required header for this request: x-amz-content-sha256')
  if (claimed === 'UNSIGNED-PAYLOAD') return
  if (String(claimed).startsWith('STREAMING-')) throw new S3Refusal(501, 'NotImplemented', 'Chunk signatures are not implemented here.')
  if (createHash('sha256').update(body).digest('hex') !== claimed)
    throw new S3Refusal(400, 'XAmzContentSHA256Mismatch', 'The provided x-amz-content-sha256 header does not match what was computed.')
}

async function resign(request: IncomingMessage, identity: S3Identity, region: string, signingDate: Date, names: string[]): Promise<string> {
  const signer = new SignatureV4({
    service: 's3',
    region,
    credentials: identity,
    sha256: Sha256,
    uriEscapePath: false,
    applyChecksum: false,
  })
  const [path = '/', search = ''] = splitOnce(request.url ?? '/', '?')
  const query: Record<string, string | string[]> = {}
  for (const pair of search.split('&').filter(Boolean)) {
    const [name, value] = splitOnce(pair, '=').map((part) => decodeURIComponent(part ?? ''))
    const known = query[name ?? '']
    query[name ?? ''] = known === undefined ? (value ?? '') : [known, value ?? ''].flat()
  }
  const headers: Record<string, string> = {}
  for (const name of names) headers[name] = String(request.headers[name] ?? '')
  for (const name of Object.keys(request.headers))
    if (name.startsWith('x-amz-') && !names.includes(name))
      throw new S3Refusal(403, 'AccessDenied', `There were headers present in the request which were not signed: ${name}`)
  const signed = await signer.sign(
    { method: request.method ?? 'GET', protocol: 'http:', hostname: 'unused', path: canonicalPath(path), query, headers },
    { signingDate, signableHeaders: new Set(names) },
  )
  return /Signature=([0-9a-f]{64})/.exec(signed.headers.authorization ?? '')?.[1] ?? ''
}

/** As the server computes it: from the decoded key, every byte but unreserved ones and '/' escaped. */
function canonicalPath(path: string): string {
  return encodeURIComponent(decodeURIComponent(path))
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%2F', '/')
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}
