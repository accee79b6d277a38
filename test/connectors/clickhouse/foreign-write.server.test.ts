import { expect, inject, it } from 'vitest'
import type { Json } from '../../../src/core/chunk.ts'
import { faultOf } from '../../../src/core/errors.ts'
import { each, field, MemoryJournal, open, Server, stage, target } from './loading.ts'

const server = new Server(inject('clickhouse').url)

it('what somebody else wrote during the publication is kept and told, also when the worker died in between', async () => {
  const database = await server.database()
  await server.query(`CREATE TABLE ${database}.t (id Int64) ENGINE = MergeTree ORDER BY id`)
  await server.query(`INSERT INTO ${database}.t VALUES (1)`)
  const destination = open(server.url, { database })
  const { prepared, receipts } = await stage(destination, target('t', [field('id', 'int', false)]), ['2\n'])
  const kept = new MemoryJournal()
  const dying = {
    load: () => kept.load(),
    async save(entry: Json) {
      const { phase } = entry as { phase: string }
      if (phase === 'foreign') throw new Error('the worker died')
      await kept.save(entry)
      if (phase === 'swap') await server.query(`INSERT INTO ${database}.t VALUES (3)`)
    },
  }
  await expect(destination.commit(prepared, each(receipts), dying)).rejects.toThrow('the worker died')
  for (const _ of [1, 2]) {
    const fault = faultOf(await destination.commit(prepared, each(receipts), kept).catch((error: unknown) => error))
    expect(fault).toMatchObject({ tag: 'foreign-write' })
    const [name] = await server.leftovers(database).then((names) => names.filter((each) => each.includes('_kept_')))
    expect(fault).toMatchObject({ remedy: expect.stringContaining(String(name)) })
    expect(await server.lines(`SELECT id FROM ${database}.${name} ORDER BY id`)).toEqual(['1', '3'])
  }
  await destination.abort(prepared)
  expect(await server.lines(`SELECT id FROM ${database}.t ORDER BY id`)).toEqual(['1', '2'])
})
