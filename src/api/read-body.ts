import { IngestError } from '../core/errors.ts'

/**
 * The whole body of a control request, counted byte by byte as it arrives, so that a chunked body without a length is
 * bounded too. Throws `too-large`, and stops the client's upload then.
 */
export async function readBody(request: Request, limitBytes: number): Promise<Uint8Array> {
  const tooLarge = () => new IngestError({ tag: 'too-large', limitBytes })
  if (Number(request.headers.get('content-length') ?? 0) > limitBytes) throw tooLarge()
  if (!request.body) return new Uint8Array()
  const reader = request.body.getReader()
  const parts: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.byteLength
    if (length > limitBytes) {
      // The answer does not wait for a client that may never stop sending.
      reader.cancel().catch(() => {})
      throw tooLarge()
    }
    parts.push(value)
  }
  return join(parts, length)
}

function join(parts: Uint8Array[], length: number): Uint8Array {
  const first = parts[0]
  if (parts.length === 1 && first) return first
  const whole = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.byteLength
  }
  return whole
}
