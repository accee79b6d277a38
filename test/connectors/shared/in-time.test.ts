import { expect, test } from 'vitest'
import { fetchInTime, textInTime } from '../../../src/connectors/shared/in-time.ts'
import { IngestError } from '../../../src/core/errors.ts'
import { nodeIo } from '../../support/node-io.ts'

const place = { system: 's3', address: 'store', resource: 'key' }
const impatient = (fetch: (signal: AbortSignal) => Promise<Response>) => ({
  ...nodeIo(),
  idleTimeoutMs: 20,
  fetch: (_: string | URL | Request, init?: RequestInit) => fetch(init?.signal as AbortSignal),
})
const never = () => new Promise<never>(() => {})
const faultOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => (error instanceof IngestError ? error.fault : error),
  )

test('an answer that does not begin is unreachable, with its place, and the request is aborted', async () => {
  let asked: AbortSignal | undefined
  const io = impatient((signal) => {
    asked = signal
    return never()
  })
  expect(await faultOf(fetchInTime(io, 'http://store/key', { signal: new AbortController().signal }, place))).toMatchObject({
    tag: 'unreachable',
    message: 'No byte came for 0.02 s',
    place: { side: 'source', ...place },
  })
  expect(asked?.aborted).toBe(true)
})

test('an answer in time comes through, and stays under the signal of whoever asked', async () => {
  const outer = new AbortController()
  let asked: AbortSignal | undefined
  const io = impatient(async (signal) => {
    asked = signal
    return new Response('body')
  })
  const response = await fetchInTime(io, 'http://store/key', { signal: outer.signal }, place)
  expect(await textInTime(io, response, place)).toBe('body')
  expect(asked?.aborted).toBe(false)
  outer.abort()
  expect(asked?.aborted).toBe(true)
})

test('a body that stalls is unreachable as well', async () => {
  const io = impatient(never)
  const stalled = new Response(new ReadableStream({ pull: never }))
  expect(await faultOf(textInTime(io, stalled, place))).toMatchObject({ tag: 'unreachable', place: { resource: 'key' } })
})
