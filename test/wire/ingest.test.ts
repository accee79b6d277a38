import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { harness } from '../api/harness.ts'

const FOLDER = new URL('./ingest/', import.meta.url).pathname
const SHOWN_HEADERS = ['allow', 'content-type', 'location', 'preference-applied', 'retry-after', 'www-authenticate', 'x-request-id']
const PASSWORDS = ['p4ss-w0rd', 't0p-secret', 'user_access_key_secret', 'secret detail']

/**
 * `<name>.http`: method and path, headers, an empty line, the body byte for byte. `<name>.expected`: status, headers, an
 * empty line, the JSON. Sent through the whole app over a fake engine.
 */
const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.http'))
  .map((file) => file.slice(0, -'.http'.length))

/** Statements of the contract that a golden request proves. */
const STATEMENTS: Record<string, string> = {
  'seed-postgres-to-clickhouse-corrected': 'F1',
  'seed-payload-block': 'F2',
  'seed-postgres-to-clickhouse': 'F2',
  'seed-s3-to-clickhouse': 'F2',
  'seed-postgres-to-duckdb': 'F2',
  'seed-many-tables': 'F2',
  'identity-missing': 'F3',
  'identity-empty': 'F4',
  'source-uri-empty': 'F5',
  'scheme-unsupported': 'F6',
  'resources-empty': 'F7',
  'source-table-name-missing': 'F8',
  'dataset-names-differ': 'F14',
  'append-with-strategy': 'F20',
  'replace-with-config': 'F21',
  'replace-strategy-invalid': 'F22',
  'merge-strategy-invalid': 'F22',
  'xlsx-file': 'F28',
  'observe-unknown': 'F30',
  'wrong-password': 'F32',
  'unknown-fields-ignored': 'F34',
  'second-table-fails': 'F36',
  'two-tables-via-ferry': 'F37',
  'body-empty': 'F38',
  'body-not-json-type': 'F38',
  'body-without-type': 'F38',
}

function readRequest(name: string): Request {
  const text = readFileSync(`${FOLDER}${name}.http`, 'utf8')
  const border = text.indexOf('\n\n')
  const [first = '', ...headerLines] = (border < 0 ? text.trimEnd() : text.slice(0, border)).split('\n')
  const [method = '', path = ''] = first.split(' ')
  const headers = new Headers(
    headerLines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  )
  headers.set('x-request-id', 'golden')
  const body = border < 0 ? undefined : new TextEncoder().encode(text.slice(border + 2))
  return new Request(`http://localhost:8000${path}`, { method, headers, body })
}

describe('golden requests of /ingest', () => {
  test.each(names.map((name) => ({ name, statement: STATEMENTS[name] ?? '' })))('$statement $name', async ({ name }) => {
    const { fetch, logged } = harness()
    const response = await fetch(readRequest(name))
    const text = await response.text()
    for (const password of PASSWORDS) expect(text + JSON.stringify(logged)).not.toContain(password)

    const headers = SHOWN_HEADERS.flatMap((header) => (response.headers.has(header) ? [`${header}: ${response.headers.get(header)}`] : []))
    const shown = [response.status, ...headers, '', JSON.stringify(JSON.parse(text), null, 2), ''].join('\n')
    const expected = `${FOLDER}${name}.expected`
    expect(existsSync(expected), `${name}.expected is missing`).toBe(true)
    expect(shown).toBe(readFileSync(expected, 'utf8'))
  })

  test('every statement has its request, and every expectation too', () => {
    expect(Object.keys(STATEMENTS).filter((name) => !names.includes(name))).toEqual([])
    const expectations = readdirSync(FOLDER).filter((file) => file.endsWith('.expected'))
    expect(expectations.map((file) => file.replace('.expected', '')).sort()).toEqual([...names].sort())
  })
})
