import { IngestError } from '../core/errors.ts'

/** Which addresses beyond the public internet a user may name. */
export type PrivateAddresses = 'none' | 'loopback' | 'all'

/** Names that lead inside wherever they are resolved. */
const INSIDE_NAMES = /(^|\.)(localhost|local|internal|intranet|lan|home\.arpa|localdomain)$/i
const METADATA_NAMES = new Set(['metadata', 'metadata.google.internal', 'instance-data'])

/**
 * Refuses a host that a user may not make us connect to: private, loopback, link-local and metadata addresses, also in
 * their odd forms (decimal, octal, hex, short dotted, IPv4 inside IPv6). Called for every address a user can supply,
 * and again for every redirect.
 * @throws IngestError `forbidden`
 */
export function assertAllowedHost(host: string, allowed: PrivateAddresses): void {
  const kind = kindOfHost(host)
  if (kind === 'public' || allowed === 'all' || (kind === 'loopback' && allowed === 'loopback')) return
  throw new IngestError({
    tag: 'forbidden',
    action: `connect to ${kind} address "${host}" (the operator can allow it with PRIVATE_ADDRESSES)`,
  })
}

export function kindOfHost(rawHost: string): 'public' | 'loopback' | 'private' | 'odd' {
  const host = rawHost
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
  if (host === '' || /[\s/\\@%]/.test(host)) return 'odd'
  if (host.includes(':')) return kindOfIpv6(host)
  if (host === 'localhost' || host.endsWith('.localhost')) return 'loopback'
  if (METADATA_NAMES.has(host) || INSIDE_NAMES.test(host)) return 'private'
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(host)) return kindOfIpv4(host)
  // Everything else that consists of numbers only is an address in disguise: 2130706433, 0x7f.1, 0177.0.0.1.
  if (/^(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+)){0,3}$/.test(host)) return 'odd'
  return host.includes('.') ? 'public' : 'private'
}

function kindOfIpv4(host: string): 'public' | 'loopback' | 'private' | 'odd' {
  const parts = host.split('.')
  if (parts.some((part) => Number(part) > 255 || (part.length > 1 && part.startsWith('0')))) return 'odd'
  const [a, b] = parts.map(Number) as [number, number, number, number]
  if (a === 127) return 'loopback'
  const inside =
    a === 0 ||
    a === 10 ||
    a >= 224 ||
    (a === 100 && b >= 64 && b < 128) ||
    (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 192 && b === 0) ||
    (a === 198 && (b === 18 || b === 19))
  return inside ? 'private' : 'public'
}

function kindOfIpv6(host: string): 'public' | 'loopback' | 'private' | 'odd' {
  const groups = expandIpv6(host)
  if (!groups) return 'odd'
  const leadingZeros = groups.findIndex((group) => group !== 0)
  const tail = [groups[6] as number, groups[7] as number] as const
  const embedded = `${tail[0] >> 8}.${tail[0] & 255}.${tail[1] >> 8}.${tail[1] & 255}`
  if (leadingZeros === -1) return 'private'
  if (leadingZeros === 7 && groups[7] === 1) return 'loopback'
  if (leadingZeros >= 6 || (leadingZeros === 5 && groups[5] === 0xffff)) return kindOfIpv4(embedded)
  const first = groups[0] as number
  if (first === 0x64 && groups[1] === 0xff9b) return kindOfIpv4(embedded)
  if (first === 0x2002)
    return kindOfIpv4(
      `${(groups[1] as number) >> 8}.${(groups[1] as number) & 255}.${(groups[2] as number) >> 8}.${(groups[2] as number) & 255}`,
    )
  const unicast = first >= 0x2000 && first < 0x4000
  return unicast ? 'public' : 'private'
}

function expandIpv6(host: string): number[] | undefined {
  const dotted = /^(.*:)(\d{1,3}(?:\.\d{1,3}){3})$/.exec(host)
  let text = host
  if (dotted) {
    const parts = (dotted[2] as string).split('.').map(Number) as [number, number, number, number]
    if (parts.some((part) => part > 255)) return undefined
    text = `${dotted[1]}${((parts[0] << 8) | parts[1]).toString(16)}:${((parts[2] << 8) | parts[3]).toString(16)}`
  }
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const read = (half: string) =>
    half === '' ? [] : half.split(':').map((group) => (/^[0-9a-f]{1,4}$/.test(group) ? Number.parseInt(group, 16) : Number.NaN))
  const head = read(halves[0] as string)
  const back = halves.length === 2 ? read(halves[1] as string) : []
  const missing = 8 - head.length - back.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const groups = [...head, ...new Array<number>(halves.length === 2 ? missing : 0).fill(0), ...back]
  return groups.some(Number.isNaN) ? undefined : groups
}
