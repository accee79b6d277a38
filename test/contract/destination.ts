import { expect, it } from 'vitest'
import type { CommitResult, Json, Receipt, Target } from '../../src/core/chunk.ts'
import type { Destination, Journal } from '../../src/core/connector.ts'
import { IngestError } from '../../src/core/errors.ts'
import type { Payload } from '../../src/core/payload.ts'

export interface DestinationUnderTest {
  /** A destination opened anew, as another isolate would. */
  open(): Destination
  /** Ids in the table as a reader sees it, sorted; null when there is no table. */
  ids(table: string): Promise<number[] | null>
  /** Anything of ours that is still there beside the tables. */
  leftovers(): Promise<string[]>
}

let counter = 0

/** What every destination must do, whatever it writes to. */
export function destinationContract(make: () => DestinationUnderTest): void {
  it('shows nothing before the commit, and everything after it', async () => {
    const { load, ids } = begin(make())
    await load.prepare()
    await load.write('c1', [1, 2])
    await load.write('c2', [3])
    expect(await ids()).toBeNull()
    expect(await load.commit()).toMatchObject({ foundRows: 3, foldedRows: 0, tableRows: 3 })
    expect(await ids()).toEqual([1, 2, 3])
  })

  it('counts a chunk once, however often it was tried: only the receipt that won is published', async () => {
    const { load, ids } = begin(make())
    await load.prepare()
    await load.write('c1', [1, 2])
    await load.write('c1', [1, 2])
    await load.commit()
    expect(await ids()).toEqual([1, 2])
  })

  it('commits a second time without doing anything, also from another isolate', async () => {
    const { load, ids } = begin(make())
    await load.prepare()
    await load.write('c1', [1, 2])
    const first = await load.commit()
    expect(await load.commit()).toEqual(first)
    expect(await ids()).toEqual([1, 2])
  })

  it('prepares a second time as if it were the first', async () => {
    const { load, ids } = begin(make())
    await load.prepare()
    await load.prepare()
    await load.write('c1', [5])
    await load.commit()
    expect(await ids()).toEqual([5])
  })

  it('leaves the table as it was when the load is aborted, and may be asked twice', async () => {
    const under = make()
    const { load, ids, table } = begin(under)
    await load.prepare()
    await load.write('c1', [1])
    await load.commit()
    const second = begin(under, table).load
    await second.prepare()
    await second.write('c1', [2])
    await second.abort()
    await second.abort()
    expect(await ids()).toEqual([1])
    expect(await under.leftovers()).toEqual([])
  })

  it('takes nothing from a payload that breaks off, and names what broke it', async () => {
    const under = make()
    const { load, ids } = begin(under)
    await load.prepare()
    const broken = new IngestError({ tag: 'unreachable', message: 'gone', place: { side: 'source' }, remedy: '' })
    await expect(load.write('c1', [1, 2], broken)).rejects.toBeInstanceOf(IngestError)
    await load.abort()
    expect(await ids()).toBeNull()
    expect(await under.leftovers()).toEqual([])
  })
}

function begin(under: DestinationUnderTest, table = `contract_${++counter}`) {
  const target: Target = {
    table,
    schema: { fields: [{ name: 'id', type: { kind: 'int', bits: 64, signed: true }, nullable: false }] },
    mode: { type: 'append' },
    sourceKey: [],
    unrepresentable: 'fail',
    startedAtMs: 0,
  }
  const loadId = `contract${++counter}`
  const winners = new Map<string, Receipt>()
  let prepared: Json = null
  let attempts = 0
  let entry: Json | undefined
  const journal: Journal = {
    load: async () => entry,
    save: async (next) => {
      entry = structuredClone(next)
    },
  }
  const load = {
    async prepare() {
      const destination = under.open()
      prepared = await destination.prepare(JSON.parse(JSON.stringify(await destination.plan(target))), loadId)
    },
    async write(chunkId: string, ids: number[], failure?: IngestError) {
      const attempt = { chunkId, attemptId: `a${++attempts}` }
      winners.set(chunkId, await under.open().write(prepared, attempt, payloadOf(ids, failure), () => {}))
    },
    async commit(): Promise<CommitResult> {
      return await under.open().commit(prepared, each([...winners.values()]), journal)
    },
    async abort() {
      await under.open().abort(prepared)
    },
  }
  return { load, table, ids: () => under.ids(table) }
}

function payloadOf(ids: number[], failure?: IngestError): Payload {
  const bytes = new TextEncoder().encode(ids.map((id) => `${id}\n`).join(''))
  const completed = failure ? Promise.reject(failure) : Promise.resolve({ rows: ids.length, bytes: bytes.length })
  completed.catch(() => {})
  let sent = false
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (!sent) controller.enqueue(bytes)
      else if (failure) controller.error(failure)
      else controller.close()
      sent = true
    },
  })
  return { via: 'bytes', format: { encoding: 'tsv', compression: 'none' }, body, completed, cancel: () => {} }
}

async function* each<T>(items: T[]): AsyncIterable<T> {
  yield* items
}
