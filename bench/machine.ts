import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseServer } from '../test/support/servers/clickhouse.ts'
import type { PostgresServer } from '../test/support/servers/postgres.ts'

export interface Machine {
  at: string
  commit: string
  cpu: string
  cores: number
  memoryGb: number
  system: string
  node: string
  wrangler: string
  workerd: string
  postgres: string
  clickhouse: string
  psql: string
  curl: string
}

/** What the figures depend on. */
export async function machineFacts(postgres: PostgresServer, clickhouse: ClickHouseServer): Promise<Machine> {
  const [version] = await postgres.query<{ version: string }>("SELECT current_setting('server_version') AS version")
  return {
    at: new Date().toISOString(),
    commit: firstLine('git', ['rev-parse', '--short', 'HEAD']),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    system: `${type()} ${release()}`,
    node: process.version,
    wrangler: packageVersion('wrangler'),
    workerd: packageVersion('workerd'),
    postgres: version?.version ?? 'unknown',
    clickhouse: await clickhouse.query('SELECT version()'),
    psql: firstLine('psql', ['--version']),
    curl: firstLine('curl', ['--version']).split(' (')[0] ?? '',
  }
}

export function isInstalled(program: string): boolean {
  return firstLine(program, ['--version']) !== 'not installed'
}

function firstLine(program: string, args: string[]): string {
  try {
    return (
      execFileSync(program, args, { encoding: 'utf8', cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')[0] ?? ''
    )
  } catch {
    return 'not installed'
  }
}

function packageVersion(name: string): string {
  const text = readFileSync(join(import.meta.dirname, '../node_modules', name, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
