import { expect, test } from 'vitest'
import { s3ConfigFromUri } from '../../../src/connectors/s3/config.ts'
import { parseGlob } from '../../../src/connectors/s3/glob.ts'
import { S3Client } from '../../../src/connectors/s3/s3-client.ts'
import { explain, faultOf } from '../../../src/core/errors.ts'
import { nodeIo } from '../../support/node-io.ts'

const refused = (uri: string) => {
  try {
    s3ConfigFromUri(uri)
  } catch (error) {
    return explain(faultOf(error))
  }
  throw new Error('it should have been refused')
}

test('the Ferry form, with underscores in keys, options in any order, raw or escaped plus and slash in the secret', () => {
  const expected = { bucket: 'my_bucket', accessKeyId: 'AK_1', secretAccessKey: 'a+b/c=', region: 'eu-west-1', pathStyle: false }
  expect(s3ConfigFromUri('s3://my_bucket?access_key_id=AK_1&access_key_secret=a+b/c=&region=eu-west-1')).toMatchObject(expected)
  expect(s3ConfigFromUri('s3://my_bucket/?region=eu-west-1&access_key_secret=a%2Bb%2Fc%3D&access_key_id=AK_1')).toMatchObject(expected)
})

test('the ingestr form, without a bucket and with an endpoint', () => {
  expect(s3ConfigFromUri('s3://?access_key_id=k&secret_access_key=s&endpoint_url=http%3A%2F%2F127.0.0.1%3A9000%2F')).toMatchObject({
    bucket: undefined,
    secretAccessKey: 's',
    endpointUrl: 'http://127.0.0.1:9000',
    pathStyle: true,
    region: 'us-east-1',
  })
  expect(s3ConfigFromUri('s3://public')).toMatchObject({ bucket: 'public', accessKeyId: undefined })
})

test('F31: what is not understood is refused by its name, and no value is shown', () => {
  expect(refused('s3://b?acces_key_id=SECRET&access_key_secret=SECRET')).toMatch(/access_key_id/)
  expect(refused('s3://b?layout=SECRET')).toMatch(/layout: Unknown option "layout"; known are access_key_id/)
  expect(refused('s3://b?access_key_id=k&access_key_secret=%zzSECRET')).toMatch(/access_key_secret: is not properly percent-encoded/)
  expect(refused('s3://key:SECRET@b')).toMatch(/access_key_id/)
  expect(refused('s3://b?access_key_id=k')).toMatch(/access_key_secret: is missing/)
  expect(refused('s3://b?region=eu west')).toMatch(/region: is no region/)
  expect(refused('s3://b?endpoint_url=file:///SECRET')).toMatch(/endpoint_url/)
  expect(refused('s3://b?infer=SECRET')).toMatch(/infer/)
  for (const uri of [
    's3://b?acces_key_id=SECRET',
    's3://b?layout=SECRET',
    's3://b?x=%zzSECRET',
    's3://a:SECRET@b',
    's3://b/SECRET',
    's3://b?endpoint_url=SECRET',
    's3://b?infer=SECRET',
  ]) {
    expect(refused(uri)).not.toMatch(/SECRET/)
  }
})

test('virtual hosts, path style, regions of China and dots in bucket names lead to the right address', async () => {
  const addressed = async (uri: string) => {
    let seen = ''
    const io = {
      ...nodeIo(),
      fetch: async (input: string | URL | Request) => {
        seen = String(input)
        return new Response('')
      },
    }
    const bucket = new URL(uri).host
    await new S3Client(s3ConfigFromUri(uri), io).send({ method: 'GET', bucket, key: 'x/ü +', signal: io.signal }, {})
    return seen
  }
  expect(await addressed('s3://bucket?region=eu-west-1')).toBe('https://bucket.s3.eu-west-1.amazonaws.com/x/%C3%BC%20%2B')
  expect(await addressed('s3://dotted.bucket')).toBe('https://s3.us-east-1.amazonaws.com/dotted.bucket/x/%C3%BC%20%2B')
  expect(await addressed('s3://bucket?region=cn-north-1')).toMatch(/amazonaws\.com\.cn/)
  expect(await addressed('s3://bucket?endpoint_url=http://h:9000/root')).toBe('http://h:9000/root/bucket/x/%C3%BC%20%2B')
  expect(await addressed('s3://bucket?endpoint_url=http://h:9000&path_style=false')).toBe('http://bucket.h:9000/x/%C3%BC%20%2B')
})

test('patterns', () => {
  const cases: [string, string[], string[]][] = [
    ['a/*.csv', ['a/.csv', 'a/x.csv'], ['a/b/x.csv', 'b/x.csv', 'a/x.csvx']],
    ['a/**/x', ['a/x', 'a/b/x', 'a/b/c/x'], ['a/bx', 'ab/x']],
    ['**/*.csv', ['x.csv', 'a/b.csv'], ['x.tsv']],
    ['a**', ['a', 'ab/c'], ['b']],
    ['?.csv', ['x.csv', 'é.csv'], ['.csv', 'xy.csv', '/.csv']],
    ['[a-c]x[!0-9]', ['axy', 'cx-'], ['dxy', 'ax0', 'ax/']],
    ['[]]x', [']x'], ['[x']],
    ['[a-]', ['a', '-'], ['b']],
    ['{a,b{1,2}}/*.{csv,tsv}', ['a/x.csv', 'b1/x.tsv', 'b2/y.csv'], ['b/x.csv', 'a/x.txt']],
    ['x.+$^|()', ['x.+$^|()'], ['xx+$^|()']],
  ]
  for (const [pattern, yes, no] of cases) {
    const glob = parseGlob(pattern)
    for (const key of yes) expect([pattern, key, glob.matches(key), key.startsWith(glob.prefix)]).toEqual([pattern, key, true, true])
    for (const key of no) expect([pattern, key, glob.matches(key)]).toEqual([pattern, key, false])
  }
  expect(parseGlob('data/{2023,2024}/*.csv').prefix).toBe('data/202')
})

test('a hostile pattern costs no more than its length times that of the key', () => {
  const glob = parseGlob(`${'*a'.repeat(100)}b`)
  expect(glob.matches('a'.repeat(1000))).toBe(false)
  for (const pattern of ['{a', '[a', '{a,b}'.repeat(20)]) expect(() => parseGlob(pattern)).toThrow()
})
