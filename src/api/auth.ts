import { IngestError } from '../core/errors.ts'
import { SIGNATURE_MAX_AGE_SECONDS } from '../limits.ts'
import type { Caller } from '../operations/operations.ts'

export interface AuthSettings {
  /** `open`: requests to a loopback host need no credential. For local development alone. */
  mode: 'open' | 'required'
  /** `sha256`: lower-case hex of the key, which itself is stored nowhere. */
  apiKeys: { id: string; sha256: string; workspaceId: string }[]
  hmacClients: { id: string; secret: string; workspaceId?: string }[]
  /** Only signed requests are let in, whatever `mode` says; API keys are not. */
  hmacRequired: boolean
}

export interface Authenticated {
  caller: Caller
  /** Lower-case hex of a verified signature: unique per signed request, so it can make a replay harmless. */
  signature?: string
}

export type Credential =
  | { kind: 'key'; key: string }
  | { kind: 'signature'; clientId?: string; timestamp?: string; signature?: string }
  /** Something was sent that is not one of ours. */
  | { kind: 'unknown' }

const DEFAULT_WORKSPACE = 'default'
const LOOPBACK_HOSTS = ['localhost', '127.0.0.1', '[::1]']

/** The places where clients of all our APIs put a credential. */
export function readCredential(headers: Headers): Credential | undefined {
  const key = headers.get('x-api-key')
  if (key) return { kind: 'key', key }
  const authorization = headers.get('authorization')
  if (authorization) {
    const bearer = /^bearer\s+(?:apikey:)?(\S+)\s*$/i.exec(authorization)?.[1]
    return bearer ? { kind: 'key', key: bearer } : { kind: 'unknown' }
  }
  return readSignature(headers)
}

function readSignature(headers: Headers): Credential | undefined {
  const clientId = headers.get('x-client-id') ?? undefined
  const timestamp = headers.get('x-timestamp') ?? undefined
  const signature = headers.get('x-signature') ?? undefined
  return (clientId ?? timestamp ?? signature) ? { kind: 'signature', clientId, timestamp, signature } : undefined
}

/** Who asks. Throws `unauthenticated`. `readBody` is only called for a signature whose client and time are right. */
export async function authenticate(
  request: Request,
  settings: AuthSettings,
  nowMs: number,
  readBody: () => Promise<Uint8Array>,
): Promise<Authenticated> {
  const credential = settings.hmacRequired ? readSignature(request.headers) : readCredential(request.headers)
  if (!credential) {
    if (settings.mode === 'open' && !settings.hmacRequired && isLocal(request)) {
      return { caller: { workspaceId: DEFAULT_WORKSPACE, keyId: 'open' } }
    }
    throw new IngestError({ tag: 'unauthenticated', reason: 'missing' })
  }
  if (credential.kind === 'key') return { caller: await callerOfKey(credential.key, settings) }
  if (credential.kind === 'signature') return verifySignature(credential, settings, nowMs, readBody)
  throw new IngestError({ tag: 'unauthenticated', reason: 'invalid' })
}

/** A page in a browser may reach a loopback port too: whoever names an origin must be local as well. */
function isLocal(request: Request): boolean {
  const origin = request.headers.get('origin')
  return isLoopback(request.url) && (origin === null || isLoopback(origin))
}

function isLoopback(url: string): boolean {
  return URL.canParse(url) && LOOPBACK_HOSTS.includes(new URL(url).hostname)
}

async function callerOfKey(key: string, settings: AuthSettings): Promise<Caller> {
  const digest = toHex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(key)))
  let found: Caller | undefined
  for (const known of settings.apiKeys) {
    // No early end: the time taken tells nothing about which key came close.
    if (sameText(digest, known.sha256.toLowerCase())) found = { workspaceId: known.workspaceId, keyId: known.id }
  }
  if (!found) throw new IngestError({ tag: 'unauthenticated', reason: 'invalid' })
  return found
}

async function verifySignature(
  { clientId, timestamp, signature }: Extract<Credential, { kind: 'signature' }>,
  settings: AuthSettings,
  nowMs: number,
  readBody: () => Promise<Uint8Array>,
): Promise<Authenticated> {
  if (!clientId || !timestamp || !signature) throw new IngestError({ tag: 'unauthenticated', reason: 'missing' })
  const client = settings.hmacClients.find((candidate) => candidate.id === clientId)
  if (!client) throw new IngestError({ tag: 'unauthenticated', reason: 'unknown-client' })
  if (!/^[+-]?\d{1,15}$/.test(timestamp)) throw new IngestError({ tag: 'unauthenticated', reason: 'bad-timestamp' })
  if (Math.abs(nowMs / 1000 - Number(timestamp)) > SIGNATURE_MAX_AGE_SECONDS) {
    throw new IngestError({ tag: 'unauthenticated', reason: 'expired' })
  }
  const message = signedMessage(timestamp, await readBody())
  const given = fromHex(signature)
  const key = await hmacKey(client.secret)
  if (!given || !(await crypto.subtle.verify('HMAC', key, given, message))) {
    throw new IngestError({ tag: 'unauthenticated', reason: 'bad-signature' })
  }
  return {
    caller: { workspaceId: client.workspaceId ?? DEFAULT_WORKSPACE, keyId: client.id },
    signature: signature.toLowerCase(),
  }
}

/** `<timestamp>.<raw body>` */
function signedMessage(timestamp: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const prefix = new TextEncoder().encode(`${timestamp}.`)
  const message = new Uint8Array(prefix.length + body.length)
  message.set(prefix)
  message.set(body, prefix.length)
  return message
}

function hmacKey(secret: string): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', new TextEncoder().encode(secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
}

function sameText(a: string, b: string): boolean {
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ (b.charCodeAt(i) || 0)
  return difference === 0
}

function toHex(bytes: ArrayBuffer): string {
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

function fromHex(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^(?:[0-9a-f]{2})+$/i.test(text)) return undefined
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16))
}
