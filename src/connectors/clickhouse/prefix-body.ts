import type { Io } from '../../core/connector.ts'
import { COPY_BUFFER_BYTES } from '../../limits.ts'

/** The standard's `min` is missing in the types; Node and workerd have it. The last piece may come together with `done`. */
interface PieceReader {
  read(view: Uint8Array, options: { min: number }): Promise<{ done: boolean; value?: Uint8Array }>
}

/**
 * `prefix`, then the body. Not by `pipeTo`: in workerd that never ends when both of its sides are plain byte pipes.
 * Either end that fails ends the other through the pipe; whoever reads it reports the cause.
 */
export function prefixed(prefix: Uint8Array, body: ReadableStream<Uint8Array>, io: Io): ReadableStream<Uint8Array> {
  const { readable, writable } = io.pipe()
  const writer = writable.getWriter()
  const pump = async () => {
    const pieces = piecesOf(body)
    await writer.write(prefix)
    for await (const piece of pieces) await writer.write(piece)
    await writer.close()
  }
  pump().catch((error) => {
    writer.abort(error).catch(() => {})
    // Locked, and cancelled by its own loop, unless that never began.
    body.cancel().catch(() => {})
  })
  return readable
}

async function* piecesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const reader = bytesReader(body)
  if (!reader) return yield* body
  let ended = false
  try {
    while (!ended) {
      // Large pieces, each with memory of its own: not every pipe copies.
      const { done, value } = await reader.read(new Uint8Array(COPY_BUFFER_BYTES), { min: COPY_BUFFER_BYTES / 2 })
      if (value && value.byteLength > 0) yield value
      ended = done
    }
  } finally {
    if (!ended) await reader.cancel().catch(() => {})
  }
}

/** Absent: the stream hands over its own pieces. */
function bytesReader(body: ReadableStream<Uint8Array>): (PieceReader & { cancel(): Promise<void> }) | undefined {
  try {
    return body.getReader({ mode: 'byob' }) as PieceReader & { cancel(): Promise<void> }
  } catch {
    return undefined
  }
}
