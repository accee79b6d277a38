import { IngestError } from '../../core/errors.ts'
import { type PostgresConfig, postgresConfig } from './config.ts'

/**
 * `postgres[ql]://user:password@host[:port]/database[?sslmode=&connect_timeout=&options=]`, percent-encoded where needed.
 * Throws `invalid-request`; the messages repeat neither the URI nor the password.
 */
export function parsePostgresUri(uri: string): PostgresConfig {
  const url = toUrl(uri)
  const host = decode('host', url.hostname).replace(/^\[(.*)\]$/, '$1')
  const user = decode('user', url.username)
  const database = decode('database', url.pathname.replace(/^\//, ''))
  if (!host) refuse('host', 'the URI names no host')
  if (host.includes(',')) refuse('host', 'several hosts in one URI are not supported; name one')
  if (!user) refuse('user', 'the URI names no user: write postgresql://user:password@host/database')
  if (!database) refuse('database', 'the URI names no database: write postgresql://user:password@host/database')
  if (url.pathname.slice(1).includes('/')) refuse('database', 'a slash inside the database name must be written as %2F')
  if (url.hash) refuse('', 'a "#" must be written as %23')
  return check({
    host,
    port: url.port ? Number(url.port) : undefined,
    user,
    database,
    password: decode('password', url.password),
    ...readOptions(url.searchParams),
  })
}

function toUrl(uri: string): URL {
  let url: URL
  try {
    url = new URL(uri)
  } catch {
    refuse(
      '',
      'not a valid URI. Write postgresql://user:password@host:5432/database and percent-encode special characters (@ as %40, : as %3A, / as %2F)',
    )
  }
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') refuse('', 'the scheme must be postgres or postgresql')
  return url
}

function readOptions(parameters: URLSearchParams): Record<string, unknown> {
  const read: Record<string, unknown> = {}
  for (const [name, value] of parameters) {
    if (parameters.getAll(name).length > 1) refuse(name, 'is given more than once')
    switch (name) {
      case 'sslmode':
        if (!postgresConfig.shape.sslmode.safeParse(value).success) refuse(name, 'must be disable, prefer, require or verify-full')
        read.sslmode = value
        break
      case 'connect_timeout':
        if (!/^\d{1,3}$/.test(value) || Number(value) < 1) refuse(name, 'must be a whole number of seconds from 1 to 600')
        read.connectTimeoutMs = Number(value) * 1000
        break
      case 'options':
        read.options = value
        break
      case 'channel_binding':
        if (value === 'require')
          refuse(name, 'channel binding is not available here; remove it and use sslmode=verify-full, which checks the certificate')
        if (value !== 'prefer' && value !== 'disable') refuse(name, 'must be prefer or disable')
        break
      default:
        refuse(name, 'is not an option of this connector. Known: sslmode, connect_timeout, options, channel_binding')
    }
  }
  return read
}

function check(settings: Record<string, unknown>): PostgresConfig {
  const parsed = postgresConfig.safeParse(settings)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }))
  throw new IngestError({ tag: 'invalid-request', issues })
}

function decode(part: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    refuse(part, 'contains a "%" that is not followed by two hex digits; write a literal % as %25')
  }
}

function refuse(path: string, message: string): never {
  throw new IngestError({ tag: 'invalid-request', issues: [{ path, message }] })
}
