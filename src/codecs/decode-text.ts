import { badData } from './bad-data.ts'

/** Bytes to text, strictly: what the encoding cannot name is a fault, because a replacement character would lose it. A byte order mark at the start is dropped. */
export async function* decodeText(body: AsyncIterable<Uint8Array>, encoding = 'utf-8'): AsyncGenerator<string, void> {
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: false })
  for await (const bytes of body) {
    const text = decodeStrictly(decoder, encoding, bytes)
    if (text !== '') yield text
  }
  const rest = decodeStrictly(decoder, encoding)
  if (rest !== '') yield rest
}

/** Without `bytes`: the end. */
export function decodeStrictly(decoder: TextDecoder, encoding: string, bytes?: Uint8Array): string {
  try {
    return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true })
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    const error = badData(
      `The text is not valid ${encoding.toUpperCase()}`,
      'Write the file as UTF-8, or name its encoding (`encoding=windows-1252`).',
    )
    error.cause = cause
    throw error
  }
}
