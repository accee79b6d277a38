import { beforeAll, describe, expect, inject, test } from 'vitest'
import type { Json, WriteMode } from '../../../src/core/chunk.ts'
import type { Io, Journal } from '../../../src/core/connector.ts'
import { nodeIo } from '../../support/node-io.ts'
import { each, field, MemoryJournal, open, Server, stage, target } from './loading.ts'

const server = new Server(inject('clickhouse').url)
let database = ''
beforeAll(async () => {
  database = await server.database()
})

class Crash extends Error {}

/**
 * Counts what a commit does outside itself, and dies at step `at`: after it, or leaving its request to arrive late. What a
 * dead worker still wants to write into the journal never arrives: the caller takes it only from the holder of the lease.
 */
class Steps {
  taken = 0
  readonly late: (() => Promise<unknown>)[] = []
  private readonly at: number
  private readonly when: 'after' | 'late'
  constructor(at = Number.POSITIVE_INFINITY, when: 'after' | 'late' = 'late') {
    this.at = at
    this.when = when
  }

  async step<T>(act: () => Promise<T>, canBeLate = true): Promise<T> {
    const now = ++this.taken
    if (now > this.at) throw new Crash()
    if (now < this.at) return await act()
    if (this.when === 'after') await act()
    if (this.when === 'late' && canBeLate) this.late.push(act)
    throw new Crash()
  }

  io(): Io {
    const io = nodeIo()
    return { ...io, fetch: (input, init) => this.step(() => io.fetch(input, init && { ...init, signal: undefined })) }
  }

  journal(kept: MemoryJournal): Journal {
    return { load: () => kept.load(), save: (entry: Json) => this.step(() => kept.save(entry), false) }
  }
}

const FIELDS = [field('id', 'int', false), field('name', 'string')]
const EVOLVED = [...FIELDS, field('extra', 'int')]
interface Scenario {
  mode: WriteMode
  exists: boolean
  evolves?: boolean
}
const SCENARIOS: [string, Scenario][] = [
  ['append to a table', { mode: { type: 'append' }, exists: true }],
  ['append to a table that gets a column', { mode: { type: 'append' }, exists: true, evolves: true }],
  ['append to a table that is not there', { mode: { type: 'append' }, exists: false }],
  ['replace', { mode: { type: 'replace' }, exists: true }],
  ['upsert', { mode: { type: 'upsert', key: ['id'] }, exists: true }],
  ['delete-insert', { mode: { type: 'delete-insert', key: ['id'], mergeKey: ['name'] }, exists: true }],
  [
    'scd2',
    {
      mode: { type: 'scd2', naturalKey: [], partitionKey: [], validFrom: 'vf', validTo: 'vt', activeRecord: null, boundary: '2024-02-01' },
      exists: true,
    },
  ],
]

/** What a reader sees: rows of the columns that always exist, or that there is no table. */
async function seen(table: string): Promise<string> {
  const exists = await server.query(`EXISTS TABLE ${database}.${table}`)
  if (exists === '0') return 'no table'
  const columns = await server.query(
    `SELECT arrayStringConcat(groupArray(name), ',') FROM system.columns WHERE database = '${database}' AND table = '${table}'`,
  )
  return `${columns}\n${await server.query(`SELECT * FROM ${database}.${table} ORDER BY ALL`)}`
}

let number = 0
async function staged({ mode, exists, evolves }: Scenario) {
  const table = `t${number++}`
  if (exists) {
    await server.query(`CREATE TABLE ${database}.${table} (id Int64, name Nullable(String)) ENGINE = MergeTree ORDER BY id`)
    await server.query(`INSERT INTO ${database}.${table} VALUES (1, 'old'), (2, 'old'), (3, NULL)`)
  }
  const chunks = evolves ? ['2\tnew\t5\n', '4\tnew\t\\N\n'] : ['2\tnew\n', '4\tnew\n4\tnewer\n']
  const setup = await stage(open(server.url, { database }), target(table, evolves ? EVOLVED : FIELDS, mode), chunks)
  return { table, ...setup }
}

describe.each(SCENARIOS)('%s', (_name, scenario) => {
  const bookmark: { steps: number; old: string; final: string; found: number } = { steps: 0, old: '', final: '', found: 0 }
  beforeAll(async () => {
    const { table, prepared, receipts } = await staged(scenario)
    bookmark.old = await seen(table)
    const steps = new Steps()
    const result = await open(server.url, { database, io: steps.io() }).commit(prepared, each(receipts), steps.journal(new MemoryJournal()))
    bookmark.steps = steps.taken
    bookmark.final = await seen(table)
    bookmark.found = result.foundRows
    expect(bookmark.final).not.toBe(bookmark.old)
    expect(bookmark.steps).toBeGreaterThan(8)
  })

  // Dying after a step leaves what dying before the next one leaves, and "late" is "before" whose request arrives in the end.
  test('dying at any step leaves old or new, the repeat publishes exactly once, and late requests change nothing', async () => {
    const one = async (at: number, when: 'after' | 'late') => {
      const { table, prepared, receipts } = await staged(scenario)
      const steps = new Steps(at, when)
      const kept = new MemoryJournal()
      // Cleaning up is best effort: dying there is no failure of the commit.
      await open(server.url, { database, io: steps.io() })
        .commit(prepared, each(receipts), steps.journal(kept))
        .catch(() => {})
      expect(steps.taken, `step ${at}`).toBeGreaterThanOrEqual(at)
      expect([bookmark.old, bookmark.final], `step ${at}`).toContain(await seen(table))
      const again = await open(server.url, { database }).commit(prepared, each(receipts), kept)
      expect(again.foundRows, `step ${at}`).toBe(bookmark.found)
      expect(await seen(table), `step ${at}`).toBe(bookmark.final)
      // A late request may be refused or do nothing; a reader may not notice it.
      for (const act of steps.late) await act().catch(() => {})
      expect(await seen(table), `late step ${at}`).toBe(bookmark.final)
      expect(await open(server.url, { database }).commit(prepared, each(receipts), kept)).toEqual(again)
      await open(server.url, { database }).abort(prepared)
      await open(server.url, { database }).abort(prepared)
      expect(await seen(table), `step ${at}`).toBe(bookmark.final)
    }
    const all = Array.from({ length: bookmark.steps }, (_, index) => index + 1)
    for (let from = 0; from < all.length; from += 4) await Promise.all(all.slice(from, from + 4).map((at) => one(at, 'late')))
    await one(bookmark.steps, 'after')
  }, 900_000)

  test('nothing is left behind', async () => {
    const { table, prepared, receipts } = await staged(scenario)
    const steps = new Steps(Math.ceil(bookmark.steps / 2))
    await expect(
      open(server.url, { database, io: steps.io() }).commit(prepared, each(receipts), steps.journal(new MemoryJournal())),
    ).rejects.toThrow()
    await open(server.url, { database }).abort(prepared)
    expect(await seen(table)).toBe(bookmark.old)
    const tag = String((prepared as { tag: string }).tag)
    expect((await server.leftovers(database)).filter((name) => name.includes(tag))).toEqual([])
  })
})

test('a journal that goes back behind a publication stops the repeat instead of applying the load twice', async () => {
  const { table, prepared, receipts } = await staged({ mode: { type: 'append' }, exists: true })
  const kept = new MemoryJournal()
  await open(server.url, { database }).commit(prepared, each(receipts), kept)
  const published = await seen(table)
  const [swap] = kept.entries
  kept.entries = [{ ...(swap as { [key: string]: Json }), before: crypto.randomUUID(), target: crypto.randomUUID() }]
  await expect(open(server.url, { database }).commit(prepared, each(receipts), kept)).rejects.toThrow('cannot be told')
  expect(await seen(table)).toBe(published)
})
