import type { TestProject } from 'vitest/node'
import { ClickHouseServer } from './servers/clickhouse.ts'
import { PostgresServer } from './servers/postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: { port: number; password: string }
    clickhouse: { url: string; port: number }
  }
}

/** One Postgres and one ClickHouse for the run; each test file makes a database of its own in them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [postgres, clickhouse] = await Promise.all([
    PostgresServer.start({ settings: ['max_connections=200'] }),
    ClickHouseServer.start({ users: [{ name: 'sluice', password: 'pass-word' }] }),
  ])
  project.provide('postgres', { port: postgres.port, password: postgres.password })
  project.provide('clickhouse', { url: clickhouse.url, port: clickhouse.port })
  return async () => {
    await Promise.all([postgres.stop(), clickhouse.stop()])
  }
}
