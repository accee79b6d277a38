import { expect, test } from 'vitest'
import { clickhouse } from '../../../src/connectors/clickhouse/connector.ts'
import { faultOf } from '../../../src/core/errors.ts'
import { nodeIo } from '../../support/node-io.ts'

test('F35: secure=0 and http_port=8123 go to http://host:8123', async () => {
  const config = clickhouse.fromUri('clickhouse://user:password@host:9000/db?http_port=8123&secure=0')
  expect(config).toEqual({
    host: 'host',
    nativePort: 9000,
    httpPort: 8123,
    secure: false,
    database: 'db',
    user: 'user',
    password: 'password',
    publish: 'swap',
  })
  expect(clickhouse.address(config)).toBe('http://host:8123')
  const asked: string[] = []
  const io = nodeIo()
  io.fetch = async (input) => {
    asked.push(String(input))
    return new Response('{"one":1}\n')
  }
  await clickhouse.openDestination?.(config, io).check()
  expect(asked.map((url) => new URL(url).origin)).toEqual(['http://host:8123'])
  expect(asked.join()).not.toContain('password')
})

test("Ferry's defaults: http_port 8123, secure 0, user and database default", () => {
  const config = clickhouse.fromUri('clickhouse://host')
  expect(config).toMatchObject({ httpPort: 8123, secure: false, database: 'default', user: 'default', password: '', nativePort: 9000 })
  expect(clickhouse.address(clickhouse.fromUri('clickhouse://host/?secure=1&http_port=8443'))).toBe('https://host:8443')
  expect(clickhouse.address(clickhouse.fromUri('clickhouse://[::1]:9000/db'))).toBe('http://[::1]:8123')
})

test('user, password and database are percent-decoded', () => {
  const config = clickhouse.fromUri('clickhouse://a%40b:p%3Aw%2F%3F%25%C3%BC@host/my%20db')
  expect(config).toMatchObject({ user: 'a@b', password: 'p:w/?%ü', database: 'my db' })
  expect(clickhouse.fromUri('clickhouse://u:a:b@host').password).toBe('a:b')
})

test.each([
  ['clickhouse://u:secret@host/db?compress=1', 'compress'],
  ['clickhouse://u:secret@host/db?secure=maybe', 'secure'],
  ['clickhouse://u:secret@host/db?http_port=99999', 'httpPort'],
  ['clickhouse://u:secret@host/db?http_port=x', 'http_port'],
  ['clickhouse://u:secret@host/db?secure=0&secure=1', 'secure'],
  ['clickhouse://u:secret@host/db?publish=later', 'publish'],
  ['clickhouse://u:secret@host:0/db', 'nativePort'],
  ['clickhouse://u:secret@/db', 'host'],
  ['clickhouse://u:secret@host/a/b', 'database'],
  ['clickhouse://u:%ZZsecret@host/db', 'password'],
  ['clickhouse://u:sec@ret@host/db', ''],
  ['postgres://u:secret@host/db', ''],
])('F31: %s is refused at "%s" without repeating the password', (uri, path) => {
  try {
    clickhouse.fromUri(uri)
  } catch (error) {
    expect(faultOf(error)).toMatchObject({ tag: 'invalid-request', issues: [{ path }] })
    expect(JSON.stringify(faultOf(error))).not.toContain('secret')
    return
  }
  throw new Error('accepted')
})
