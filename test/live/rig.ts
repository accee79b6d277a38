import { inject } from 'vitest'
import { eventually } from '../support/servers/ports.ts'
import { Sluice } from '../support/servers/sluice.ts'
import { TcpProxy } from '../support/servers/tcp-proxy.ts'
import { type Answer, type Workbench, workbench } from './workbench.ts'

/** A service of its own that loses patience quickly and cuts small chunks, behind networks that tests can spoil. */
export interface Rig {
  sluice: Sluice
  bench: Workbench
  toPostgres: TcpProxy
  toClickHouse: TcpProxy
  /** Both ends through the proxies. */
  uris: { source_uri: string; destination_uri: string }
  ingest(resource: Record<string, unknown>, over?: Record<string, unknown>): Promise<Answer>
  /** Waits until the load has staged a chunk at the destination. */
  staged(): Promise<void>
  clickhouse(sql: string): Promise<void>
  close(): Promise<void>
}

export const IDLE_TIMEOUT_MS = 2_000

export async function rig(name: string, vars: Record<string, string> = {}): Promise<Rig> {
  const [sluice, toPostgres, toClickHouse] = await Promise.all([
    Sluice.start({ vars: { IDLE_TIMEOUT_MS: String(IDLE_TIMEOUT_MS), CHUNK_BYTES: String(512 * 1024), ...vars } }),
    TcpProxy.start(inject('postgres').port),
    TcpProxy.start(inject('clickhouse').port),
  ])
  const bench = await workbench(name, sluice.url)
  const uris = {
    source_uri: `${bench.sourceUri.replace(`:${inject('postgres').port}/`, `:${toPostgres.port}/`)}?connect_timeout=2&sslmode=disable`,
    destination_uri: bench.destinationUri.replace(`http_port=${inject('clickhouse').port}`, `http_port=${toClickHouse.port}`),
  }
  return {
    sluice,
    bench,
    toPostgres,
    toClickHouse,
    uris,
    ingest: (resource, over) => bench.ingest({ identity: name, ...uris, resources: [resource], ...over }),
    staged: () =>
      eventually('a staged chunk', 30_000, async () =>
        (await bench.tables()).some((table) => table.startsWith('_sluice_s_')) ? true : undefined,
      ).then(() => {}),
    async clickhouse(sql) {
      const response = await fetch(`${inject('clickhouse').url}/?database=${bench.clickhouse}`, { method: 'POST', body: sql })
      if (!response.ok) throw new Error(await response.text())
    },
    async close() {
      await sluice.stop()
      await Promise.all([toPostgres.stop(), toClickHouse.stop()])
      await bench.close()
    },
  }
}
