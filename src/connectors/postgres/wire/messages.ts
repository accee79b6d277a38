/** Frontend messages of protocol 3.0 (PostgreSQL documentation, "Message Formats"). */
const text = new TextEncoder()

const PROTOCOL_3_0 = 196_608
const SSL_REQUEST = 80_877_103
const CANCEL_REQUEST = 80_877_102

export function sslRequest(): Uint8Array {
  return untyped([int32(SSL_REQUEST)])
}

export function cancelRequest(key: { processId: number; secret: Uint8Array }): Uint8Array {
  return untyped([int32(CANCEL_REQUEST), int32(key.processId), key.secret])
}

export function startup(parameters: Record<string, string>): Uint8Array {
  const pairs = Object.entries(parameters).flatMap(([name, value]) => [zeroTerminated(name), zeroTerminated(value)])
  return untyped([int32(PROTOCOL_3_0), ...pairs, new Uint8Array(1)])
}

export function query(sql: string): Uint8Array {
  return typed('Q', [zeroTerminated(sql)])
}

export function password(secret: string): Uint8Array {
  return typed('p', [zeroTerminated(secret)])
}

export function saslInitial(mechanism: string, response: string): Uint8Array {
  const bytes = text.encode(response)
  return typed('p', [zeroTerminated(mechanism), int32(bytes.length), bytes])
}

export function saslResponse(response: string): Uint8Array {
  return typed('p', [text.encode(response)])
}

export function terminate(): Uint8Array {
  return typed('X', [])
}

function typed(type: string, parts: Uint8Array[]): Uint8Array {
  return concat([text.encode(type), untyped(parts)])
}

/** Length first, itself included. */
function untyped(parts: Uint8Array[]): Uint8Array {
  const body = concat(parts)
  return concat([int32(body.length + 4), body])
}

function zeroTerminated(value: string): Uint8Array {
  if (value.includes('\0')) throw new TypeError('A zero byte cannot be sent to Postgres')
  return text.encode(`${value}\0`)
}

function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, value)
  return bytes
}

export function concat(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
