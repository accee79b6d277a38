import type { ServerError } from '../faults.ts'

/** Backend messages of protocol 3.0, bodies without type and length. */
const utf8 = new TextDecoder()

/** An ErrorResponse as an Error, so that it can be thrown; `code` is the SQLSTATE. */
export class PostgresError extends Error implements ServerError {
  override readonly name = 'PostgresError'
  readonly code: string
  readonly severity: string
  constructor(fields: Record<string, string>) {
    super(fields.M ?? 'unknown error')
    this.code = fields.C ?? 'XX000'
    this.severity = fields.V ?? fields.S ?? 'ERROR'
  }
}

export function parseError(body: Uint8Array): PostgresError {
  const fields: Record<string, string> = {}
  for (let at = 0; at < body.length && body[at] !== 0; ) {
    const end = zeroAfter(body, at + 1)
    fields[String.fromCharCode(body[at] ?? 0)] = utf8.decode(body.subarray(at + 1, end))
    at = end + 1
  }
  return new PostgresError(fields)
}

/** The text columns of a DataRow. */
export function parseRow(body: Uint8Array): (string | null)[] {
  const view = viewOf(body)
  const columns: (string | null)[] = []
  let at = 2
  for (let column = view.getUint16(0); column > 0; column--) {
    const length = view.getInt32(at)
    at += 4
    columns.push(length < 0 ? null : utf8.decode(body.subarray(at, at + length)))
    if (length > 0) at += length
  }
  return columns
}

/** Text up to the first zero byte. */
export function parseText(body: Uint8Array, from = 0): string {
  return utf8.decode(body.subarray(from, zeroAfter(body, from)))
}

/** Zero-terminated texts up to an empty one. */
export function parseTexts(body: Uint8Array, from: number): string[] {
  const texts: string[] = []
  for (let at = from; at < body.length && body[at] !== 0; ) {
    const end = zeroAfter(body, at)
    texts.push(utf8.decode(body.subarray(at, end)))
    at = end + 1
  }
  return texts
}

export function parseInt32(body: Uint8Array, at: number): number {
  return viewOf(body).getInt32(at)
}

function zeroAfter(body: Uint8Array, from: number): number {
  const at = body.indexOf(0, from)
  return at < 0 ? body.length : at
}

function viewOf(body: Uint8Array): DataView {
  return new DataView(body.buffer, body.byteOffset, body.byteLength)
}
