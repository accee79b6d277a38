import { describe, expect, it } from 'vitest'
import { redact } from '../../src/core/redact.ts'
import { secretBox } from '../../src/platform/secrets.ts'

const key = (id: string, fill: number) => `${id}:${Buffer.alloc(32, fill).toString('base64')}`

describe('sealed credentials', () => {
  it('open again under the same context, and say nothing themselves', async () => {
    const box = secretBox(key('k1', 1))
    const sealed = await box.seal('postgresql://u:hunter2@h/db', 'execution-1')
    expect(sealed).not.toContain('hunter2')
    expect(sealed).toMatch(/^v1\.k1\./)
    expect(await box.open(sealed, 'execution-1')).toBe('postgresql://u:hunter2@h/db')
  })
  it('do not open under another context, another key, or changed', async () => {
    const sealed = await secretBox(key('k1', 1)).seal('text', 'a')
    await expect(secretBox(key('k1', 1)).open(sealed, 'b')).rejects.toThrow()
    await expect(secretBox(key('k1', 2)).open(sealed, 'a')).rejects.toThrow()
    await expect(secretBox(key('k2', 1)).open(sealed, 'a')).rejects.toThrow('no master key "k1"')
    await expect(secretBox(key('k1', 1)).open(`${sealed.slice(0, -2)}AA`, 'a')).rejects.toThrow()
  })
  it('stay readable after a rotation, while new ones use the new key', async () => {
    const before = await secretBox(key('k1', 1)).seal('text', 'a')
    const rotated = secretBox(`${key('k2', 2)},${key('k1', 1)}`)
    expect(await rotated.open(before, 'a')).toBe('text')
    expect(await rotated.seal('text', 'a')).toMatch(/^v1\.k2\./)
  })
  it('are refused at once when the master key is no key', () => {
    expect(() => secretBox('k1:short')).toThrow(/MASTER_KEYS/)
    expect(() => secretBox('')).toThrow(/MASTER_KEYS/)
  })
  it('are compared by a keyed digest', async () => {
    const [a, b] = [secretBox(key('k1', 1)), secretBox(key('k1', 2))]
    expect(await a.fingerprint('x')).toBe(await a.fingerprint('x'))
    expect(await a.fingerprint('x')).not.toBe(await b.fingerprint('x'))
  })
})

describe('log lines', () => {
  it('F31: lose the credentials of any URI in them', () => {
    const line = redact(
      'open postgresql://app:p@ss:w0rd@db.example.com:5432/x and s3://b?access_key_id=AKIA&access_key_secret=abc/+def&region=eu failed',
    )
    for (const secret of ['p@ss', 'w0rd', 'AKIA', 'abc/+def']) expect(line).not.toContain(secret)
    expect(line).toContain('db.example.com:5432/x')
    expect(line).toContain('region=eu')
  })
})
