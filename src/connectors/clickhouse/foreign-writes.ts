import type { ClickHouseHttp } from './http.ts'
import { quoteText } from './quoting.ts'

/** Per partition the newest block and the newest change. Merges keep both, inserts and mutations raise one. */
export type Fingerprint = { partition: string; block: number; version: number }[]

export async function fingerprintOf(http: ClickHouseHttp, database: string, table: string): Promise<Fingerprint> {
  const rows = await http.rows<{ partition: string; block: string; version: string }>(
    `SELECT partition_id AS partition, max(max_block_number) AS block, max(data_version) AS version FROM system.parts ` +
      `WHERE database = ${quoteText(database)} AND table = ${quoteText(table)} AND active AND rows > 0 GROUP BY partition_id ORDER BY partition_id`,
  )
  return rows.map((row) => ({ partition: row.partition, block: Number(row.block), version: Number(row.version) }))
}

/** Partitions that somebody else changed between the two looks. A TTL empties partitions by itself. */
export function foreignParts(before: Fingerprint, after: Fingerprint, hasTtl: boolean): string[] {
  const known = new Map(before.map((entry) => [entry.partition, entry]))
  const changed = after.filter((entry) => {
    const old = known.get(entry.partition)
    return !old || entry.block > old.block || entry.version > old.version
  })
  const left = new Set(after.map((entry) => entry.partition))
  const emptied = hasTtl ? [] : before.filter((entry) => !left.has(entry.partition))
  return [...changed, ...emptied].map((entry) => entry.partition)
}
