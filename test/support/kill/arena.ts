import { join } from 'node:path'
import { ClickHouseServer } from '../servers/clickhouse.ts'
import { PostgresServer } from '../servers/postgres.ts'
import { Sluice } from '../servers/sluice.ts'
import { FollowedLoad } from './followed-load.ts'

/** Rows of the source table, about 35 MB of COPY text. */
export const SOURCE_ROWS = 200_000
/** What every destination table holds before a load: keys from OLD_FROM, half of which the source has as well. */
const OLD_ROWS = 120_000
const OLD_FROM = SOURCE_ROWS - OLD_ROWS / 2 + 1
const FEW_ROWS = 100

export type Mode = 'replace' | 'append' | 'upsert'

/** What a table holds, as far as can be seen without comparing row by row: a changed, lost or doubled row changes it. */
export interface Content {
  rows: number
  /** Sum over the rows of the first 32 bits of their MD5. */
  sum: bigint
}

const DISPOSITIONS = {
  replace: { type: 'replace' },
  append: { type: 'append' },
  upsert: { type: 'merge', strategy: 'upsert', config: { primary_key: 'id' } },
}

const DATABASE = 'kill'

/** Servers of its own for one test file, since they get killed. */
export class Arena {
  readonly postgres: PostgresServer
  readonly clickhouse: ClickHouseServer
  readonly sluice: Sluice
  /** Content of the source table. */
  source: Content = { rows: 0, sum: 0n }
  private few: Content = { rows: 0, sum: 0n }
  /** Where ClickHouse keeps one `.sql` file per table of the destination's database. */
  private metadataDir = ''

  private constructor(postgres: PostgresServer, clickhouse: ClickHouseServer, sluice: Sluice) {
    this.postgres = postgres
    this.clickhouse = clickhouse
    this.sluice = sluice
  }

  static async open(): Promise<Arena> {
    const [postgres, clickhouse, sluice] = await Promise.all([
      PostgresServer.start(),
      ClickHouseServer.start({ users: [{ name: 'sluice', password: 'pass-word' }] }),
      Sluice.start({ vars: { CHUNK_BYTES: String(4 * 1024 * 1024), LEASE_TTL_MS: '2000' } }),
    ])
    const arena = new Arena(postgres, clickhouse, sluice)
    await arena.fill()
    return arena
  }

  private async fill(): Promise<void> {
    await this.clickhouse.query(`CREATE DATABASE ${DATABASE} ENGINE = Atomic`)
    const [found] = await this.clickhouse.rows<{ path: string }>(
      `SELECT metadata_path AS path FROM system.databases WHERE name = '${DATABASE}'`,
    )
    this.metadataDir = join(this.clickhouse.dataDir, 'data', (found?.path ?? '').replace(join(this.clickhouse.dataDir, 'data'), ''))
    await this.postgres.query(`CREATE TABLE items (id bigint PRIMARY KEY, n bigint NOT NULL, s text NOT NULL);
      INSERT INTO items SELECT g, g * 31, repeat(md5(g::text), 4) FROM generate_series(1, ${SOURCE_ROWS}) g;
      CREATE TABLE few (id bigint PRIMARY KEY, n bigint NOT NULL, s text NOT NULL);
      INSERT INTO few SELECT -g, g, 'few' FROM generate_series(1, ${FEW_ROWS}) g;
      ANALYZE`)
    await this.clickhouse.query(`CREATE TABLE ${DATABASE}._sluice_s_probe (id Int64) ENGINE = MergeTree ORDER BY id`)
    if ((await this.staging()).join() !== '_sluice_s_probe') throw new Error('left staging tables would not be seen')
    await this.drop('_sluice_s_probe')
    this.source = await this.sourceContent('items')
    this.few = await this.sourceContent('few')
  }

  async sourceContent(table: string): Promise<Content> {
    const [row] = await this.postgres.query<{ rows: string; sum: string }>(
      `SELECT count(*) AS rows, coalesce(sum(('x' || substr(md5(id || '|' || n || '|' || s), 1, 8))::bit(32)::bigint), 0) AS sum FROM ${table}`,
    )
    return { rows: Number(row?.rows), sum: BigInt(row?.sum ?? 0) }
  }

  /** Content of a destination table, or of those of its rows that `where` names. */
  async content(table: string, where = 'true'): Promise<Content> {
    const [row] = await this.clickhouse.rows<{ rows: string; sum: string }>(
      `SELECT count() AS rows, sum(toUInt64(reinterpretAsUInt32(reverse(substring(MD5(concat(toString(id), '|', toString(n), '|', s)), 1, 4))))) AS sum FROM ${DATABASE}.${table} WHERE ${where}`,
    )
    return { rows: Number(row?.rows), sum: BigInt(row?.sum ?? 0) }
  }

  /** Makes a destination table with old content, in several parts of several partitions. */
  async oldTable(table: string): Promise<Content> {
    await this.clickhouse.query(`DROP TABLE IF EXISTS ${DATABASE}.${table} SYNC`)
    await this.clickhouse.query(
      `CREATE TABLE ${DATABASE}.${table} (id Int64, n Int64, s String) ENGINE = MergeTree PARTITION BY intDiv(id, 100000) ORDER BY id`,
    )
    for (const [from, rows] of [
      [OLD_FROM, OLD_ROWS / 2],
      [OLD_FROM + OLD_ROWS / 2, OLD_ROWS / 2],
    ] as const)
      await this.clickhouse.query(
        `INSERT INTO ${DATABASE}.${table} SELECT number + ${from}, number * 7, concat('old ', toString(number)) FROM numbers(${rows})`,
      )
    return await this.content(table)
  }

  /** What the table must hold once the source has been loaded into it. */
  async expected(table: string, mode: Mode): Promise<Content> {
    if (mode === 'replace') return this.source
    return plus(this.source, await this.content(table, mode === 'append' ? 'true' : `id NOT BETWEEN 1 AND ${SOURCE_ROWS}`))
  }

  /** Starts a load and does not wait for its end. */
  async start(load: { identity: string; table: string; mode: Mode; stream?: string; cursor?: string }): Promise<FollowedLoad> {
    return await FollowedLoad.start(this.sluice, this.body(load))
  }

  /** A load of a few rows, waited for: it finds every lock, place and name free, or does not come back. */
  async loadFew(identity: string, table: string): Promise<Content> {
    const answer = await this.sluice.post('/ingest', this.body({ identity, table, mode: 'append', stream: 'few' }))
    if (answer.status !== 200) throw new Error(`the load afterwards failed: ${JSON.stringify(answer.body)}`)
    return this.few
  }

  private body(load: { identity: string; table: string; mode: Mode; stream?: string; cursor?: string }) {
    return {
      identity: load.identity,
      source_uri: this.postgres.uri('postgres', '?sslmode=disable'),
      destination_uri: `clickhouse://sluice:pass-word@127.0.0.1:9000/${DATABASE}?http_port=${this.clickhouse.port}&secure=0`,
      resources: [
        {
          source_table_name: load.stream ?? 'items',
          destination_table_name: load.table,
          write_disposition_config: DISPOSITIONS[load.mode],
          ...(load.cursor && { incremental_config: { incremental_key: load.cursor } }),
        },
      ],
    }
  }

  /** Names of everything in the destination's database that a load leaves behind only by mistake. */
  async staging(): Promise<string[]> {
    const rows = await this.clickhouse.rows<{ name: string }>(
      `SELECT name FROM system.tables WHERE database = '${DATABASE}' AND name LIKE '\\\\_sluice%' ORDER BY name`,
    )
    return rows.map((row) => row.name)
  }

  async drop(table: string): Promise<void> {
    await this.clickhouse.query(`DROP TABLE IF EXISTS ${DATABASE}.${table} SYNC`)
  }

  get metadata(): string {
    return this.metadataDir
  }

  async close(): Promise<void> {
    await Promise.all([this.sluice.stop(), this.postgres.stop(), this.clickhouse.stop()])
  }
}

export function plus(one: Content, other: Content): Content {
  return { rows: one.rows + other.rows, sum: one.sum + other.sum }
}
