import type { Connector } from '../../core/connector.ts'
import { hostPort, postgresConfig } from './config.ts'
import { PostgresSource } from './source.ts'
import { parsePostgresUri } from './uri.ts'

export const postgres: Connector<typeof postgresConfig> = {
  kind: 'postgres',
  schemes: ['postgres', 'postgresql'],
  config: postgresConfig,
  fromUri: parsePostgresUri,
  address: (config) => `postgres://${hostPort(config)}`,
  openSource: (config, io) => new PostgresSource(config, io),
}
