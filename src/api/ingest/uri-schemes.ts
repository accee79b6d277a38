import type { ApiSettings } from '../dialect.ts'
import { valueError } from './validation.ts'

/**
 * Every scheme that the contract of this API speaks of, whether this build runs it or not: naming one that it does not
 * run is another mistake than naming one that nobody knows.
 */
const KNOWN_SCHEMES = new Set(
  (
    'postgres postgresql postgres+cdc mysql mysql+cdc mariadb mariadb+pymysql clickhouse redshift hana mssql synapse duckdb sqlite ' +
    'md motherduck snowflake mongodb mongodb+srv s3 gs az adls athena bigquery databricks kafka file csv http https sftp iceberg'
  ).split(' '),
)

/** What is wrong with the scheme of a URI, or undefined. Of the URI itself only the scheme is ever repeated. */
export function schemeProblem(uri: string, side: 'source' | 'destination', schemes: ApiSettings['schemes']): string | undefined {
  const scheme = (/^([a-z][a-z0-9+.-]{0,31}):/i.exec(uri)?.[1] ?? '').toLowerCase()
  if (schemes[side].includes(scheme)) return undefined
  const other = side === 'source' ? 'destination' : 'source'
  const available = `available as ${side}: ${schemes[side].join(', ')}`
  if (schemes[other].includes(scheme))
    return valueError(`URI scheme ${scheme} can be a ${other} but not a ${side} in this build; ${available}`)
  if (KNOWN_SCHEMES.has(scheme)) return valueError(`URI scheme ${scheme} is not available in this build; ${available}`)
  return valueError(`Unsupported URI scheme: ${scheme}`)
}
