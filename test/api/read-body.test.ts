import { expect, test } from 'vitest'
import { readBody } from '../../src/api/read-body.ts'

function chunked(chunks: number, onCancel = () => {}, headers: Record<string, string> = {}): { request: Request; sent: () => number } {
  let sent = 0
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (sent === chunks) return controller.close()
        sent++
        controller.enqueue(new Uint8Array(10).fill(sent))
      },
      cancel: onCancel,
    },
    { highWaterMark: 0 },
  )
  return { request: new Request('http://x/', { method: 'POST', body, headers, duplex: 'half' } as RequestInit), sent: () => sent }
}

test('a body up to the limit is read whole', async () => {
  const body = await readBody(chunked(3).request, 30)
  expect([...body]).toEqual([...Array(10).fill(1), ...Array(10).fill(2), ...Array(10).fill(3)])
})

test('a chunked body one byte above the limit is refused as soon as that is known, and cancelled', async () => {
  let cancelled = false
  const { request, sent } = chunked(1000, () => {
    cancelled = true
  })
  await expect(readBody(request, 29)).rejects.toMatchObject({ fault: { tag: 'too-large', limitBytes: 29 } })
  expect(sent()).toBeLessThan(10)
  expect(cancelled).toBe(true)
})

test('a length that says too much is refused unread', async () => {
  const { request, sent } = chunked(3, undefined, { 'content-length': '31' })
  await expect(readBody(request, 30)).rejects.toMatchObject({ fault: { tag: 'too-large' } })
  expect(sent()).toBe(0)
})

test('no body is an empty body', async () => {
  expect(await readBody(new Request('http://x/'), 10)).toHaveLength(0)
})
