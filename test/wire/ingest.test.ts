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
  test.each(names)('%s', async (name) => {
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

  test('every expectation has its request', () => {
    const expectations = readdirSync(FOLDER).filter((file) => file.endsWith('.expected'))
    expect(expectations.map((file) => file.replace('.expected', '')).sort()).toEqual([...names].sort())
  })
})
