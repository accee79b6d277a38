import { expect, it } from 'vitest'
import type { ReadRequest, Target } from '../../src/core/chunk.ts'
import { planResource } from '../../src/transfer/plan-resource.ts'
import { memoryDestination, memorySource } from '../support/memory.ts'

const fields = [
  { name: 'id', type: { kind: 'int', bits: 64, signed: true }, nullable: false },
  { name: 'email', type: { kind: 'string' }, nullable: true },
] as const

async function planned(options: { kept?: string; mode?: 'append' | 'upsert'; lag?: number; rulesApplied?: boolean }) {
  const source = memorySource({ schema: { fields: [...fields] }, rulesApplied: options.rulesApplied ?? true })
  const destination = memoryDestination()
  const requests: ReadRequest[] = []
  const targets: Target[] = []
  const spied = {
    ...source,
    async describe(request: ReadRequest) {
      requests.push(request)
      return await source.describe(request)
    },
  }
  const spiedDestination = {
    ...destination,
    async plan(target: Target) {
      targets.push(target)
      return await destination.plan(target)
    },
  }
  const result = await planResource(spied, spiedDestination, {
    resource: {
      stream: 'users',
      mode: options.mode === 'upsert' ? { type: 'upsert', key: ['id'] } : { type: 'append' },
      rules: { exclude: [], pseudonymize: ['email'] },
      cursor: {
        column: 'id',
        start: '5',
        startInclusive: false,
        endInclusive: false,
        ...(options.lag !== undefined && { lag: options.lag }),
      },
    },
    unrepresentable: 'fail',
    startedAtMs: 0,
    ...(options.kept !== undefined && { keptCursor: options.kept }),
  })
  return { result, cursor: requests[0]?.cursor, target: targets[0] }
}

it('starts where the user said on the first run, without lag', async () => {
  expect((await planned({ lag: 3 })).cursor).toEqual({ column: 'id', start: '5', startInclusive: false, endInclusive: false })
})
it('goes on behind the kept cursor, and at it when merging folds repeats', async () => {
  expect((await planned({ kept: '9' })).cursor).toMatchObject({ start: '9', startInclusive: false })
  expect((await planned({ kept: '9', mode: 'upsert' })).cursor).toMatchObject({ start: '9', startInclusive: true })
  expect((await planned({ kept: '9', lag: 2 })).cursor).toMatchObject({ start: '9', startInclusive: true, lag: 2 })
})
it('names the table as the source calls it when the user names none', async () => {
  expect((await planned({})).target?.table).toBe('users')
})
it('goes through records when the source leaves column rules to us, and tells the destination the changed schema', async () => {
  const { result, target } = await planned({ rulesApplied: false })
  expect(result.lane.because).toContain('columns change on the way')
  expect(target?.schema.fields.map((field) => field.type.kind)).toEqual(['int', 'string'])
})
