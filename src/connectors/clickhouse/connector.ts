import { z } from 'zod'
import type { Connector } from '../../core/connector.ts'
import { IngestError } from '../../core/errors.ts'
import { ClickHouseDestination } from './destination.ts'

const PORT = z.number().int().min(1).max(65_535)

/** Settings of a ClickHouse connection. Only the HTTP interface is used. */
export const clickHouseConfig = z.object({
  host: z.string().min(1).meta({ description: 'Host name or address.' }),
  nativePort: PORT.default(9000).meta({ description: 'Port of the native protocol, as URIs name it. Not used.' }),
  httpPort: PORT.default(8123).meta({ description: 'Port of the HTTP interface.' }),
  secure: z.boolean().default(false).meta({ description: 'HTTPS instead of HTTP.' }),
  database: z.string().min(1).default('default').meta({ description: 'Database of tables that name none.' }),
  user: z.string().min(1).default('default'),
  password: z.string().default('').meta({ secret: true }),
  publish: z.enum(['swap', 'insert']).default('swap').meta({
    description: 'swap: all rows of a load appear at once. insert: chunk by chunk, for tables that cannot be swapped; not atomic.',
  }),
})

export type ClickHouseConfig = z.output<typeof clickHouseConfig>

const OPTIONS = ['http_port', 'secure', 'publish'] as const

export const clickhouse: Connector<typeof clickHouseConfig> = {
  kind: 'clickhouse',
  schemes: ['clickhouse'],
  config: clickHouseConfig,
  fromUri,
  address: (config) => baseUrl(config),
  openDestination(config, io) {
    return new ClickHouseDestination(
      { url: baseUrl(config), user: config.user, password: config.password },
      { database: config.database, publish: config.publish },
      io,
    )
  },
}

function baseUrl(config: ClickHouseConfig): string {
  const host = config.host.includes(':') && !config.host.startsWith('[') ? `[${config.host}]` : config.host
  return `${config.secure ? 'https' : 'http'}://${host}:${config.httpPort}`
}

/** `clickhouse://user:password@host:9000/database?http_port=8123&secure=0`; messages never repeat the URI. */
function fromUri(uri: string): ClickHouseConfig {
  const match = /^clickhouse:\/\/(?:([^@/?#]*)@)?(\[[0-9a-fA-F:.]+\]|[^@:/?#]*)(?::(\d*))?(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(uri)
  if (!match)
    throw invalid(
      '',
      'A ClickHouse URI looks like clickhouse://user:password@host:9000/database?http_port=8123&secure=0; special characters are percent-encoded.',
    )
  const [, login = '', host = '', port = '', path = '', query = ''] = match
  if (host === '') throw invalid('host', 'The URI names no host.')
  const [user, ...password] = login.split(':')
  const options = readOptions(query)
  const database = decode('database', path.replace(/\/$/, ''))
  if (database.includes('/')) throw invalid('database', 'The path of the URI is the name of one database.')
  const parsed = clickHouseConfig.safeParse({
    host: decode('host', host),
    ...(port === '' ? {} : { nativePort: Number(port) }),
    ...(options.http_port === undefined ? {} : { httpPort: readPort(options.http_port) }),
    ...(options.secure === undefined ? {} : { secure: readFlag(options.secure) }),
    ...(options.publish === undefined ? {} : { publish: options.publish }),
    ...(database === '' ? {} : { database }),
    ...(user ? { user: decode('user', user) } : {}),
    password: decode('password', password.join(':')),
  })
  if (parsed.success) return parsed.data
  throw new IngestError({
    tag: 'invalid-request',
    issues: parsed.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message })),
  })
}

function readOptions(query: string): Partial<Record<(typeof OPTIONS)[number], string>> {
  const options: Partial<Record<(typeof OPTIONS)[number], string>> = {}
  for (const [name, value] of new URLSearchParams(query)) {
    const known = OPTIONS.find((option) => option === name)
    if (!known) throw invalid(name, `Unknown option; ClickHouse URIs know ${OPTIONS.join(', ')}.`)
    if (options[known] !== undefined) throw invalid(name, 'The option is given twice.')
    options[known] = value
  }
  return options
}

function readPort(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw invalid('http_port', 'Must be a port number.')
  return Number(text)
}

function readFlag(text: string): boolean {
  if (/^(1|true)$/i.test(text)) return true
  if (/^(0|false)$/i.test(text)) return false
  throw invalid('secure', 'Must be 0 or 1.')
}

function decode(part: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid(part, 'The percent-encoding is broken.')
  }
}

function invalid(path: string, message: string): IngestError {
  return new IngestError({ tag: 'invalid-request', issues: [{ path, message }] })
}
