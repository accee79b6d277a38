import { describe, expect, it } from 'vitest'
import type { Destination, Source } from '../../src/core/connector.ts'
import { IngestError } from '../../src/core/errors.ts'
import type { Schema } from '../../src/core/schema.ts'
import { chooseLane } from '../../src/transfer/choose-lane.ts'
import { copyChunk } from '../../src/transfer/copy-chunk.ts'
import { memoryDestination, memorySource } from '../support/memory.ts'

const schema: Schema = {
  fields: [
    { name: 'id', type: { kind: 'int', bits: 32, signed: true }, nullable: false },
    { name: 'email', type: { kind: 'string' }, nullable: true },
    { name: 'note', type: { kind: 'string' }, nullable: true },
  ],
}

async function copy(
  source: Source,
  destination: Destination,
  rules = { exclude: [] as string[], pseudonymize: [] as string[] },
  needsRecords = false,
  onProgress: (bytes: number) => void = () => {},
) {
  const described = await source.describe({ stream: 't', rules })
  const description = { ...described, rulesApplied: !needsRecords }
  const lane = chooseLane(description.emits, destination.accepts, needsRecords)
  if (!lane) throw new Error('no lane')
  const job = {
    description,
    chunk: { id: 'c0', slice: 0 },
    lane,
    rules,
    prepared: {},
    attempt: { chunkId: 'c0', attemptId: 'a1' },
    read: { pseudonymSalt: 'salt' },
  }
  return await copyChunk(source, destination, job, onProgress)
}

const fault = async (promise: Promise<unknown>) => {
  try {
    await promise
  } catch (error) {
    if (error instanceof IngestError) return error.fault
    throw error
  }
  throw new Error('it did not fail')
}

describe('copying a chunk', () => {
  it('passes bytes on as they are and reports what both ends counted', async () => {
    const destination = memoryDestination()
    const copied = await copy(memorySource({ schema, chunks: ['1\ta\tb\n2\t\\N\t\n'] }), destination)
    expect(destination.staged.get('c0/a1')).toBe('1\ta\tb\n2\t\\N\t\n')
    expect(copied).toMatchObject({ receipt: { rows: 2 }, read: { rows: 2 } })
  })
  it('never takes fewer rows at the destination for success', async () => {
    const source = memorySource({ schema, chunks: ['1\ta\tb\n2\tc\td\n'] })
    expect(await fault(copy(source, memoryDestination({ dropRows: 1 })))).toMatchObject({
      tag: 'mismatch',
      message: expect.stringContaining('2 rows were read but 1 were taken'),
    })
  })
  it('names the source when the source broke off, though the destination complains too', async () => {
    const failure = new IngestError({ tag: 'snapshot-lost', message: 'gone', place: { side: 'source' }, remedy: '' })
    expect(await fault(copy(memorySource({ schema, chunks: ['1\ta\tb\n'], failure }), memoryDestination()))).toMatchObject({
      tag: 'snapshot-lost',
    })
  })
  it('stops the source when the destination refuses', async () => {
    const source = memorySource({ schema, chunks: ['1\ta\tb\n'] })
    const failure = new IngestError({ tag: 'denied', message: 'no', place: { side: 'destination' }, remedy: '' })
    expect(await fault(copy(source, memoryDestination({ failure })))).toMatchObject({ tag: 'denied' })
    expect(source.cancelled).toBe(true)
  })
  it('excludes and pseudonymizes columns on the record lane; equal inputs give equal outputs and null stays null', async () => {
    const batches = [
      {
        rowCount: 3,
        columns: [
          [1, 2, 3],
          ['x@y', null, 'x@y'],
          ['secret', 's', 't'],
        ],
      },
    ]
    const destination = memoryDestination()
    await copy(memorySource({ schema, batches, claimedRows: 3 }), destination, { exclude: ['note'], pseudonymize: ['email'] }, true)
    const lines = (destination.staged.get('c0/a1') ?? '').split('\n').slice(0, -1)
    const columns = lines.map((line) => line.split('\t'))
    expect(columns.map((row) => row.length)).toEqual([2, 2, 2])
    expect(columns[0]?.[1]).toMatch(/^[0-9a-f]{64}$/)
    expect(columns[2]?.[1]).toBe(columns[0]?.[1])
    expect(columns[1]?.[1]).toBe('\\N')
  })
})

it('tells progress in the measure of the source, while the destination still waits', async () => {
  const source = memorySource({ schema, chunks: ['1\ta\tb\n'] })
  const counting: Source = { ...source, read: async (...args) => ({ ...(await source.read(...args)), sentBytes: () => 6 }) }
  const told: number[] = []
  let hear = () => {}
  const heard = new Promise<void>((resolve) => {
    hear = resolve
  })
  const destination = memoryDestination()
  const weighing: Destination = {
    ...destination,
    write: async (prepared, attempt, payload, onProgress) => {
      onProgress(1_000_000)
      await heard
      return await destination.write(prepared, attempt, payload, onProgress)
    },
  }
  await copy(counting, weighing, undefined, false, (bytes) => {
    told.push(bytes)
    hear()
  })
  expect(new Set(told)).toEqual(new Set([6]))
})
