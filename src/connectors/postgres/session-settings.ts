import { quoteLiteral } from './quote.ts'

/** A lock that is waited for longer is reported, not sat out, unless the role or the connection has a limit of its own. */
const LOCK_TIMEOUT = '30s'
const OFF_WHERE_KNOWN = ['statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout', 'jit']

/**
 * Opens the read-only transaction of everything we ask, in which every type has one text form, whatever the defaults
 * of the role. Settings are local to it, so that a pooler's other clients do not inherit them. `search_path` stays:
 * functions behind views may need it.
 */
export function beginStatements(snapshot: string | undefined, monetary: string | null): string[] {
  const limits = OFF_WHERE_KNOWN.map((name) => quoteLiteral(name)).join(', ')
  return [
    'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
    ...(snapshot === undefined ? [] : [`SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshot)}`]),
    "SET LOCAL client_encoding = 'UTF8'",
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL intervalstyle = 'iso_8601'",
    'SET LOCAL extra_float_digits = 3',
    "SET LOCAL bytea_output = 'hex'",
    'SET LOCAL standard_conforming_strings = on',
    `SELECT pg_catalog.set_config('lock_timeout', '${LOCK_TIMEOUT}', true) WHERE pg_catalog.current_setting('lock_timeout') = '0'`,
    ...(monetary === null ? [] : [`SET LOCAL lc_monetary = ${quoteLiteral(monetary)}`]),
    `SELECT pg_catalog.set_config(name, CASE name WHEN 'jit' THEN 'off' ELSE '0' END, true) FROM pg_catalog.pg_settings WHERE name IN (${limits})`,
  ]
}
