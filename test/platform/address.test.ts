import { describe, expect, it } from 'vitest'
import { IngestError } from '../../src/core/errors.ts'
import { assertAllowedHost, kindOfHost } from '../../src/platform/address.ts'

describe('addresses a user may name', () => {
  const inside = [
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '198.18.0.1',
    '[fe80::1]',
    '[fc00::1]',
    '[fd12:3456::1]',
    '[::]',
    '[ff02::1]',
    '[::ffff:10.0.0.1]',
    '[::ffff:a9fe:a9fe]',
    '[64:ff9b::a00:1]',
    '[2002:a00:1::]',
    'metadata.google.internal',
    'metadata',
    'db.internal',
    'printer.local',
    'postgres',
    'nas.lan',
    'x.localdomain',
  ]
  it.each(inside)('refuses %s even where loopback is allowed', (host) => {
    expect(() => assertAllowedHost(host, 'loopback')).toThrow(IngestError)
    expect(() => assertAllowedHost(host, 'none')).toThrow(IngestError)
    expect(() => assertAllowedHost(host, 'all')).not.toThrow()
  })
  const odd = [
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '127.1',
    '0177.0.0.1',
    '010.0.0.1',
    '256.1.1.1',
    '1.2.3',
    '[::g]',
    '[1::2::3]',
    '',
    'a b',
    'a@b',
  ]
  it.each(odd)('refuses the odd form "%s"', (host) => {
    expect(kindOfHost(host)).not.toBe('public')
    expect(kindOfHost(host)).not.toBe('loopback')
    expect(() => assertAllowedHost(host, 'loopback')).toThrow(IngestError)
  })
  it.each(['127.0.0.1', '127.8.9.10', 'localhost', 'LOCALHOST.', 'db.localhost', '[::1]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]'])(
    'allows %s only where loopback is',
    (host) => {
      expect(() => assertAllowedHost(host, 'none')).toThrow(IngestError)
      expect(() => assertAllowedHost(host, 'loopback')).not.toThrow()
    },
  )
  it.each(['example.com', 'db.eu-west-1.rds.example.com', '8.8.8.8', '[2606:4700::1111]', '172.32.0.1', '1e100.net'])(
    'allows %s',
    (host) => {
      expect(() => assertAllowedHost(host, 'none')).not.toThrow()
    },
  )
})
