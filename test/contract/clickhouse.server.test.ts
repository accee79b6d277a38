import { beforeAll, describe, inject } from 'vitest'
import { open, Server } from '../connectors/clickhouse/loading.ts'
import { destinationContract } from './destination.ts'

describe('ClickHouse as a destination', () => {
  const server = new Server(inject('clickhouse').url)
  let database = ''
  beforeAll(async () => {
    database = await server.database()
  })
  destinationContract(() => ({
    open: () => open(server.url, { database }),
    async ids(table) {
      const exists = await server.query(`EXISTS TABLE ${database}.${table}`)
      return exists === '0' ? null : (await server.lines(`SELECT id FROM ${database}.${table} ORDER BY id`)).map(Number)
    },
    leftovers: () => server.leftovers(database),
  }))
})
