import { describe, expect, test } from 'vitest'
import { postgres } from '../../../src/connectors/postgres/connector.ts'
import { faultOf } from '../../../src/core/errors.ts'

const refused = (uri: string) => {
  try {
    postgres.fromUri(uri)
  } catch (error) {
    const fault = faultOf(error)
    if (fault.tag !== 'invalid-request') throw error
    return fault.issues
  }
  throw new Error('the URI was accepted')
}

describe('a Postgres URI', () => {
  test('is read with its defaults', () => {
    expect(postgres.fromUri('postgres://ann:secret@db.example/shop')).toEqual({
      host: 'db.example',
      port: 5432,
      user: 'ann',
      password: 'secret',
      database: 'shop',
      sslmode: 'prefer',
      connectTimeoutMs: 10_000,
    })
  })

  test('may carry percent-encoded parts, an IPv6 host, an empty password and options', () => {
    const config = postgres.fromUri(
      'postgresql://us%40er:@[2001:db8::1]:6000/my%2Fdb%20%C3%A4?sslmode=verify-full&connect_timeout=3&options=-c%20x%3D1',
    )
    expect(config).toEqual({
      host: '2001:db8::1',
      port: 6000,
      user: 'us@er',
      password: '',
      database: 'my/db ä',
      sslmode: 'verify-full',
      connectTimeoutMs: 3000,
      options: '-c x=1',
    })
    expect(postgres.address(config)).toBe('postgres://[2001:db8::1]:6000')
  })

  test.each([
    ['postgres://ann:s3cret@h/db?sslmode=sometimes', 'sslmode'],
    ['postgres://ann:s3cret@h/db?fallback=1', 'fallback'],
    ['postgres://ann:s3cret@h/db?channel_binding=require', 'channel_binding'],
    ['postgres://ann:s3cret@h/db?connect_timeout=soon', 'connect_timeout'],
    ['postgres://ann:s3cret@h/db?sslmode=disable&sslmode=require', 'sslmode'],
    ['postgres://ann:s3cret@h/', 'database'],
    ['postgres://ann:s3cret@h', 'database'],
    ['postgres://ann:s3cret@h/a/b', 'database'],
    ['postgres://h/db', 'user'],
    ['postgres://:s3cret@h/db', 'user'],
    ['postgres:///db?x=s3cret', 'host'],
    ['postgres://ann:s3cret@a,b/db', 'host'],
    ['postgres://ann:s3cret%zz@h/db', 'password'],
    ['postgres://ann:s3cret%00@h/db', 'password'],
    ['postgres://ann:s3cret@h:99999/db', ''],
    ['postgres://ann:s3cret@h/db#x', ''],
    ['mysql://ann:s3cret@h/db', ''],
    ['s3cret', ''],
  ])('%s is refused at "%s" without repeating the password', (uri, path) => {
    const issues = refused(uri)
    expect(issues.map((issue) => issue.path)).toEqual([path])
    expect(JSON.stringify(issues)).not.toContain('s3cret')
  })

  test('the address of the connection limits never carries credentials', () => {
    expect(postgres.address(postgres.fromUri('postgres://ann:s3cret@DB.example/shop'))).toBe('postgres://db.example:5432')
  })
})
