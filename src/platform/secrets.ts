import { IngestError } from '../core/errors.ts'

/** Sealed text: `v1.<key id>.<nonce>.<ciphertext>`, the last two base64url. */
export interface SecretBox {
  /** `context` (an id) is bound to the text: it opens only with the same one. */
  seal(plainText: string, context: string): Promise<string>
  open(sealed: string, context: string): Promise<string>
  /** Keyed digest of a text that may hold secrets, for comparing requests; hex. */
  fingerprint(text: string): Promise<string>
}

/**
 * AES-256-GCM under the operator's master keys; the first one seals, any of them opens, so that a key can be rotated.
 * @param masterKeys `id:base64`, comma separated, 32 bytes each
 */
export function secretBox(masterKeys: string): SecretBox {
  const keys = masterKeys.split(',').map((entry) => {
    const [id = '', base64 = ''] = entry.trim().split(':')
    return { id, bytes: decode(base64) }
  })
  const first = keys[0]
  if (!first || keys.some((key) => !/^[a-z0-9]{1,16}$/i.test(key.id) || key.bytes.length !== 32)) {
    throw new Error('MASTER_KEYS must be `id:base64 of 32 bytes`, comma separated; make one with: echo "k1:$(openssl rand -base64 32)"')
  }
  const derive = async (bytes: Uint8Array<ArrayBuffer>, usage: 'seal' | 'fingerprint') => {
    const root = await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveKey'])
    const how = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: new TextEncoder().encode(`sluice/${usage}`) }
    return usage === 'seal'
      ? crypto.subtle.deriveKey(how, root, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
      : crypto.subtle.deriveKey(how, root, { name: 'HMAC', hash: 'SHA-256', length: 256 }, false, ['sign'])
  }
  return {
    async seal(plainText, context) {
      const nonce = crypto.getRandomValues(new Uint8Array(12))
      const algorithm = { name: 'AES-GCM', iv: nonce, additionalData: new TextEncoder().encode(context) }
      const cipher = await crypto.subtle.encrypt(algorithm, await derive(first.bytes, 'seal'), new TextEncoder().encode(plainText))
      return `v1.${first.id}.${encode(nonce)}.${encode(new Uint8Array(cipher))}`
    },
    async open(sealed, context) {
      const [version, id, nonce = '', cipher = ''] = sealed.split('.')
      const key = keys.find((candidate) => candidate.id === id)
      if (version !== 'v1' || !key) throw new IngestError({ tag: 'internal', message: `no master key "${id}" to open stored credentials` })
      const algorithm = { name: 'AES-GCM', iv: decode(nonce), additionalData: new TextEncoder().encode(context) }
      return new TextDecoder().decode(await crypto.subtle.decrypt(algorithm, await derive(key.bytes, 'seal'), decode(cipher)))
    },
    async fingerprint(text) {
      const mac = await crypto.subtle.sign('HMAC', await derive(first.bytes, 'fingerprint'), new TextEncoder().encode(text))
      return [...new Uint8Array(mac)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
    },
  }
}

function encode(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

function decode(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0))
  } catch {
    return new Uint8Array()
  }
}
