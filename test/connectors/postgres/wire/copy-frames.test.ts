import { describe, expect, test } from 'vitest'
import { CopyFrames } from '../../../../src/connectors/postgres/wire/copy-frames.ts'

const text = new TextEncoder()

function message(type: string, body: string): Uint8Array {
  const bytes = text.encode(body)
  const whole = new Uint8Array(5 + bytes.length)
  whole[0] = type.charCodeAt(0)
  new DataView(whole.buffer).setUint32(1, bytes.length + 4)
  whole.set(bytes, 5)
  return whole
}

const STREAM = [
  message('d', 'one\t1\n'),
  message('S', 'TimeZone\0UTC\0'),
  message('d', ''),
  message('d', `two\t${'ä'.repeat(20)}\n`),
  message('N', 'SNOTICE\0Mhello\0\0'),
  message('d', '3\n'),
  message('c', ''),
  message('C', 'COPY 3\0'),
]
const BYTES = Uint8Array.from(STREAM.flatMap((part) => [...part]))
const DATA = `one\t1\ntwo\t${'ä'.repeat(20)}\n3\n`
const OTHERS = [
  ['S', 'TimeZone\0UTC\0'],
  ['N', 'SNOTICE\0Mhello\0\0'],
  ['c', ''],
  ['C', 'COPY 3\0'],
]

function feed(pieces: Uint8Array[]): { data: string; others: string[][] } {
  const others: string[][] = []
  const decoder = new TextDecoder()
  const frames = new CopyFrames((type, body) => others.push([type, new TextDecoder().decode(body)]))
  let data = ''
  for (const piece of pieces) data += decoder.decode(piece.subarray(0, frames.strip(piece)), { stream: true })
  return { data, others }
}

describe('taking COPY apart', () => {
  test('gives the same bytes wherever the stream is cut in two', () => {
    for (let cut = 0; cut <= BYTES.length; cut++) {
      expect(feed([BYTES.slice(0, cut), BYTES.slice(cut)])).toEqual({ data: DATA, others: OTHERS })
    }
  })

  test('gives the same bytes in pieces of any size', () => {
    for (let size = 1; size <= BYTES.length; size++) {
      const pieces: Uint8Array[] = []
      for (let at = 0; at < BYTES.length; at += size) pieces.push(BYTES.slice(at, at + size))
      expect(feed(pieces)).toEqual({ data: DATA, others: OTHERS })
    }
  })

  test('keeps the beginning of a message too long to keep', () => {
    const long = message('E', 'x'.repeat(200_000))
    const { data, others } = feed([long.slice(0, 70_000), long.slice(70_000), message('d', 'y')])
    expect(data).toBe('y')
    expect(others.map(([type, body]) => [type, body?.length])).toEqual([['E', 65_536]])
  })

  test('refuses a length that no message has', () => {
    expect(() => feed([new Uint8Array([0x64, 0, 0, 0, 3])])).toThrow('does not speak')
  })
})
