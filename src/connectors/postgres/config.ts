import { z } from 'zod'
import { CONNECT_TIMEOUT_MS } from '../../limits.ts'

/** The wire protocol ends strings with a zero byte: one inside a setting would smuggle further settings in. */
const startupText = z.string().refine((text) => !text.includes('\0'), 'must not contain a zero byte')

export const postgresConfig = z.object({
  host: startupText.min(1).describe('Host name or address of the server.'),
  port: z.int().min(1).max(65535).default(5432),
  database: startupText.min(1),
  user: startupText.min(1),
  password: startupText.default('').meta({ secret: true }),
  sslmode: z
    .enum(['disable', 'prefer', 'require', 'verify-full'])
    .default('prefer')
    .describe(
      '`prefer` uses TLS where it works and plain text else. `require` and `verify-full` both check the certificate and the host name.',
    ),
  connectTimeoutMs: z.int().min(1).max(600_000).default(CONNECT_TIMEOUT_MS),
  options: startupText.optional().describe('Command-line options for the server process, `-c name=value` style.'),
})

export type PostgresConfig = z.output<typeof postgresConfig>

/** `host:port`, brackets around IPv6 addresses. */
export function hostPort(config: Pick<PostgresConfig, 'host' | 'port'>): string {
  const host = config.host.toLowerCase()
  return `${host.includes(':') ? `[${host}]` : host}:${config.port}`
}
