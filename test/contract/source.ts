import { expect, it } from 'vitest'
import type { Chunk, StreamDescription } from '../../src/core/chunk.ts'
import type { Source } from '../../src/core/connector.ts'
import { faultOf } from '../../src/core/errors.ts'
import type { Payload } from '../../src/core/payload.ts'

export interface SourceUnderTest {
  /** A source opened anew, as another isolate would. */
  open(): Source
  /** A stream of many rows. */
  stream: string
  rows: number
  /** Small enough that the stream has several chunks. */
  chunkBytes: number
}

/** What every source must do, whatever it reads. */
export function sourceContract(make: () => SourceUnderTest): void {
  it('proves that it can be reached, and may be closed twice', async () => {
    const source = make().open()
    await source.check()
    await source.close()
    await source.close()
  })

  it('plans the same chunks again, and goes on behind any of them in another isolate', async () => {
    const { open, stream, chunkBytes } = make()
    const source = open()
    const description = await source.describe({ stream, rules: { exclude: [], pseudonymize: [] } })
    const chunks = await planned(source, description, chunkBytes)
    expect(chunks.length).toBeGreaterThan(1)
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(chunks.length)
    expect(await planned(source, description, chunkBytes)).toEqual(chunks)
    const other = open()
    for (const [at, chunk] of chunks.entries()) {
      expect(await planned(other, JSON.parse(JSON.stringify(description)), chunkBytes, chunk)).toEqual(chunks.slice(at + 1))
    }
    await Promise.all([source.close(), other.close()])
  })

  it('reads every chunk alone, twice and in any order, and all of them are the whole stream', async () => {
    const { open, stream, chunkBytes, rows } = make()
    const planner = open()
    const description = await planner.describe({ stream, rules: { exclude: [], pseudonymize: [] } })
    const chunks = await planned(planner, description, chunkBytes)
    await planner.close()
    let total = 0
    for (const chunk of [...chunks].reverse()) {
      const [first, again] = [await read(open(), description, chunk), await read(open(), description, chunk)]
      expect(again).toEqual(first)
      total += first.rows ?? Number.NaN
    }
    expect(total).toBe(rows)
  })

  it('stops when a payload is cancelled, more than once and at any time, and says so', async () => {
    const { open, stream } = make()
    const source = open()
    const description = await source.describe({ stream, rules: { exclude: [], pseudonymize: [] } })
    const [chunk] = await planned(source, description, Number.MAX_SAFE_INTEGER)
    const payload = await readPayload(source, description, chunk as Chunk)
    payload.cancel()
    payload.cancel()
    expect(faultOf(await payload.completed.catch((cause: unknown) => cause)).tag).toBe('cancelled')
    payload.cancel()
    await source.close()
  })

  it('says what is missing, where, and what to do', async () => {
    const source = make().open()
    const failure = await source.describe({ stream: 'no_such_thing.csv', rules: { exclude: [], pseudonymize: [] } }).catch((cause) => cause)
    expect(faultOf(failure)).toMatchObject({ tag: 'missing', message: expect.any(String), remedy: expect.stringMatching(/\w+/) })
    await source.close()
  })
}

async function planned(source: Source, description: StreamDescription, chunkBytes: number, after?: Chunk): Promise<Chunk[]> {
  const chunks: Chunk[] = []
  for await (const chunk of source.plan(description, chunkBytes, after)) chunks.push(chunk)
  return chunks
}

async function readPayload(source: Source, description: StreamDescription, chunk: Chunk): Promise<Payload & { via: 'bytes' }> {
  const lane = description.emits[0]
  if (lane?.via !== 'bytes') throw new Error('the preferred lane is bytes')
  const payload = await source.read(description, chunk, lane, { pseudonymSalt: 'salt' })
  if (payload.via !== 'bytes') throw new Error('another lane than asked for')
  return payload
}

async function read(source: Source, description: StreamDescription, chunk: Chunk): Promise<{ text: string; rows?: number }> {
  const payload = await readPayload(source, description, chunk)
  const text = await new Response(payload.body).text()
  const { rows } = await payload.completed
  await source.close()
  return { text, rows }
}
