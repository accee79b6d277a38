import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { book, reconcileAll } from '../../src/execution/bookkeeping.ts'
import type { Run } from '../../src/execution/ledger.ts'

const command = { stream: 'users', mode: { type: 'replace' as const }, rules: { exclude: [], pseudonymize: [] } }

const runOf = (): Run => ({
  ...{ executionId: 'e', workspaceId: 'w', pipeline: 'p', sealedCommand: '', createdAtMs: 0, verify: 'rows', resources: [command] },
  ...{ source: { system: 's', address: 'a' }, destination: { system: 'd', address: 'b' } },
  ...{ cancelRequested: false, parallelism: 4, generation: 0 },
})

it('a ledger on the platform lends steps once, keeps receipts and survives being opened again', async () => {
  const stub = env.LEDGERS.get(env.LEDGERS.idFromName('one'))
  await runInDurableObject(stub, ({ ledger }) => {
    ledger.saveCommand(0, command, 'users')
    for (const id of ['c1', 'c2', 'c3']) ledger.addStep(0, 'copy', { id, slice: id })
    ledger.saveFacts(0, { ...ledger.facts(0), phase: 'copying', openCopies: 3, chunksTotal: 3, allPlanned: true })
    const first = ledger.nextReady(0)
    const lease = ledger.lend(first?.id ?? 0, 1_000, 0)
    expect(lease).toBe(1)
    expect(ledger.nextReady(0)?.chunk?.id).toBe('c2')
    const step = ledger.step(first?.id ?? 0)
    if (!step) throw new Error('the step is gone')
    book(ledger, step, { kind: 'copy', receipt: { chunkId: 'c1', rows: 3, bytes: 9, staged: { table: 's' } }, readRows: 3, bytes: 9 }, 5)
    reconcileAll(ledger, runOf(), 5)
  })
  await runInDurableObject(stub, ({ ledger }) => {
    expect(ledger.receipts(0, 0, 10)).toEqual([{ stepId: 1, receipt: { chunkId: 'c1', rows: 3, bytes: 9, staged: { table: 's' } } }])
    expect(ledger.facts(0)).toMatchObject({ chunksDone: 1, openCopies: 2, deliveredRows: 3 })
    expect(ledger.claimable(0, 10)).toBe(2)
    expect(ledger.nextRetryMs(0)).toBeUndefined()
  })
})
