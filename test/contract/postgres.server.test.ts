import { afterAll, beforeAll, describe, inject } from 'vitest'
import { Database } from '../connectors/postgres/support.ts'
import { sourceContract } from './source.ts'

describe('Postgres as a source', () => {
  let database: Database
  beforeAll(async () => {
    database = await Database.create(inject('postgres'), 'contract_source')
    await database.run(`CREATE TABLE people (id int PRIMARY KEY, note text);
      INSERT INTO people SELECT g, repeat(md5(g::text), 10) FROM generate_series(1, 5000) g; ANALYZE people`)
  })
  afterAll(() => database.run('DROP DATABASE contract_source WITH (FORCE)', 'postgres'))
  sourceContract(() => ({ open: () => database.source(), stream: 'people', rows: 5000, chunkBytes: 400_000 }))
})
