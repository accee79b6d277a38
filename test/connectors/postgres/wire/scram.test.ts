import { describe, expect, test } from 'vitest'
import { md5Answer } from '../../../../src/connectors/postgres/wire/authenticate.ts'
import { clientFinal, clientFirst, saslPrepare } from '../../../../src/connectors/postgres/wire/scram.ts'

/** RFC 7677, section 3, with the empty user name that Postgres clients send. */
const NONCE = 'rOprNGfwEbeRWgbNEkqO'
const SERVER_FIRST = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'

describe('SCRAM-SHA-256', () => {
  test('sends a fresh nonce each time and no channel binding', () => {
    expect(clientFirst().message).toMatch(/^n,,n=,r=\S{24}$/)
    expect(clientFirst().nonce).not.toBe(clientFirst().nonce)
  })

  test('refuses a server that does not extend the nonce, asks for too many rounds or sends no salt', async () => {
    await expect(clientFinal('pencil', NONCE, SERVER_FIRST.replace('rOpr', 'xxxx'))).rejects.toMatchObject({ reason: 'protocol' })
    await expect(clientFinal('pencil', NONCE, `r=${NONCE},s=W22Z,i=4096`)).rejects.toMatchObject({ reason: 'protocol' })
    await expect(clientFinal('pencil', NONCE, SERVER_FIRST.replace('i=4096', 'i=100001'))).rejects.toMatchObject({ reason: 'iterations' })
    await expect(clientFinal('pencil', NONCE, SERVER_FIRST.replace('s=W22ZaJ0SNY7soEsUEjb6gQ==', 's=!'))).rejects.toMatchObject({
      reason: 'protocol',
    })
  })

  test('refuses a server that cannot prove that it knows the password', async () => {
    const final = await clientFinal('pencil', NONCE, SERVER_FIRST)
    expect(final.message).toMatch(/^c=biws,r=\S+,p=\S{44}$/)
    expect(() => final.verify('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')).toThrow('does not know the password')
    expect(() => final.verify('e=other-error')).toThrow('other-error')
  })

  test('prepares passwords as RFC 4013 says and leaves forbidden ones alone', () => {
    expect(saslPrepare('I\u00ADX')).toBe('IX')
    expect(saslPrepare('\u2168')).toBe('IX')
    expect(saslPrepare('a\u00A0b')).toBe('a b')
    expect(saslPrepare('a\u0007b')).toBe('a\u0007b')
    expect(saslPrepare('\u00AD')).toBe('\u00AD')
  })
})

test('the MD5 answer is the one that Postgres computes', () => {
  // SELECT 'md5' || md5(convert_to(md5('secret' || 'ann'), 'UTF8') || '\\x01020304'::bytea)
  expect(md5Answer({ user: 'ann', password: 'secret' }, new Uint8Array([1, 2, 3, 4]))).toBe('md59009ce60b9ca97f1e752376843d1309e')
})
