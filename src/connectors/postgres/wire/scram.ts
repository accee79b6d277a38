import { SCRAM_ITERATIONS_MAX } from '../../../limits.ts'

/**
 * SCRAM-SHA-256 without channel binding (RFC 5802, RFC 7677), the client's side.
 * https://www.postgresql.org/docs/current/sasl-authentication.html
 */
export const SCRAM_MECHANISM = 'SCRAM-SHA-256'

export class ScramError extends Error {
  override readonly name = 'ScramError'
  readonly reason: 'protocol' | 'iterations' | 'server-signature'
  constructor(reason: ScramError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

const bytesOf = (text: string) => new TextEncoder().encode(text)
const toBase64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes))
const fromBase64 = (text: string) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))

/** Postgres ignores the user name of SCRAM and takes that of the start-up message. */
export function clientFirst(nonce: string = toBase64(crypto.getRandomValues(new Uint8Array(18)))): { nonce: string; message: string } {
  return { nonce, message: `n,,n=,r=${nonce}` }
}

/** The answer to the server's first message, and a check of its final one, which proves that it knows the password too. */
export async function clientFinal(
  password: string,
  nonce: string,
  serverFirst: string,
): Promise<{ message: string; verify(serverFinal: string): void }> {
  const attributes = parseAttributes(serverFirst)
  const serverNonce = attributes.get('r') ?? ''
  const iterations = Number(attributes.get('i'))
  const salt = decodeBase64(attributes.get('s'))
  if (!serverNonce.startsWith(nonce) || serverNonce.length === nonce.length)
    throw new ScramError('protocol', 'the server did not extend the nonce')
  if (!Number.isInteger(iterations) || iterations < 1 || salt.length === 0)
    throw new ScramError('protocol', 'the server sent no salt or iteration count')
  if (iterations > SCRAM_ITERATIONS_MAX) throw new ScramError('iterations', `the server asks for ${iterations} iterations`)

  const material = await crypto.subtle.importKey('raw', bytesOf(saslPrepare(password)), 'PBKDF2', false, ['deriveBits'])
  const salted = new Uint8Array(await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations }, material, 256))
  const clientKey = await hmac(salted, 'Client Key')
  const storedKey = new Uint8Array(await crypto.subtle.digest('SHA-256', clientKey))
  const withoutProof = `c=biws,r=${serverNonce}`
  const authMessage = `n=,r=${nonce},${serverFirst},${withoutProof}`
  const signature = await hmac(storedKey, authMessage)
  const proof = clientKey.map((byte, at) => byte ^ (signature[at] ?? 0))
  const serverSignature = await hmac(await hmac(salted, 'Server Key'), authMessage)
  return {
    message: `${withoutProof},p=${toBase64(proof)}`,
    verify(serverFinal) {
      const told = parseAttributes(serverFinal)
      if (told.has('e')) throw new ScramError('protocol', `the server refused: ${told.get('e')}`)
      if (!sameBytes(decodeBase64(told.get('v')), serverSignature))
        throw new ScramError('server-signature', 'the server does not know the password')
    },
  }
}

function parseAttributes(message: string): Map<string, string> {
  return new Map(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]))
}

function decodeBase64(text: string | undefined): Uint8Array<ArrayBuffer> {
  try {
    return fromBase64(text ?? '')
  } catch {
    throw new ScramError('protocol', 'the server sent no base64 where it should')
  }
}

async function hmac(key: Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array<ArrayBuffer>> {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, bytesOf(text)))
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let at = 0; at < b.length; at++) difference |= (a[at] ?? 0) ^ (b[at] ?? 0)
  return difference === 0
}

const MAPPED_TO_NOTHING = /\u034F|[\u00AD\u1806\u200B\u2060\uFEFF]|[\u180B-\u180D]|[\uFE00-\uFE0F]|\u200C|\u200D/g
const OTHER_SPACES = /[\u00A0\u1680\u2000-\u200A\u202F\u205F\u3000]/g
/** Control, private-use, non-character, tagging and bidirectional marks (RFC 4013, 2.3). */
const PROHIBITED =
  /\u0340|\u0341|[\p{Cc}\p{Co}\p{Cs}\p{Noncharacter_Code_Point}\u200E\u200F\u2028-\u202E\u206A-\u206F\uFFF9-\uFFFD\u2FF0-\u2FFB\u{E0001}\u{E0020}-\u{E007F}]/u

/** SASLprep (RFC 4013). Like libpq, a password it forbids is used as it is. */
export function saslPrepare(password: string): string {
  const prepared = password.replace(OTHER_SPACES, ' ').replace(MAPPED_TO_NOTHING, '').normalize('NFKC')
  return prepared === '' || PROHIBITED.test(prepared) ? password : prepared
}
