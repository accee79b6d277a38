import { describe, expect, test } from 'vitest'
import { locateJsonError, parseJson } from '../../src/api/parse-json.ts'

const encode = (text: string) => new TextEncoder().encode(text)

describe('parseJson', () => {
  const broken: [string, number][] = [
    ['', 0],
    ['{', 1],
    ['{"a":', 5],
    ['{"a":1 "b":2}', 7],
    ['{"a":1,}', 7],
    ['{,}', 1],
    ['[1,2,]', 5],
    ['[1 2]', 3],
    ['[,1]', 1],
    ['{"a":tru}', 8],
    ['nul', 3],
    ['{a:1}', 1],
    ["{'a':1}", 1],
    ['{"a" 1}', 5],
    ['{"a":1}x', 7],
    ['{"a":1]', 6],
    ['[1}', 2],
    ['{"a":01}', 6],
    ['[1.]', 3],
    ['[-]', 2],
    ['[1e+]', 4],
    ['[+1]', 1],
    ['[.5]', 1],
    ['[NaN]', 1],
    ['"abc', 4],
    ['"a\nb"', 2],
    ['"a\u0000"', 2],
    ['"\\q"', 2],
    ['"\\u12g4"', 5],
    ['"\\u12', 5],
    ['\u00a0{}', 0],
    ['{"a":1}//', 7],
  ]
  test.each(broken)('%j breaks at byte %i', (text, offsetBytes) => {
    expect(parseJson(encode(text))).toEqual({ ok: false, offsetBytes })
  })

  test('the offset counts bytes, not characters', () => {
    expect(parseJson(encode('["é€😀" 1]'))).toEqual({ ok: false, offsetBytes: 13 })
  })

  test('a byte order mark is skipped and counted', () => {
    expect(parseJson(encode('\ufeff{"a":1}'))).toEqual({ ok: true, value: { a: 1 } })
    expect(parseJson(encode('\ufeff{"a"}'))).toEqual({ ok: false, offsetBytes: 3 + 4 })
  })

  test('bytes that are not UTF-8 are refused where they are', () => {
    expect(parseJson(Uint8Array.of(0x5b, 0x22, 0xc3, 0x28, 0x22, 0x5d))).toEqual({ ok: false, offsetBytes: 3 })
    expect(parseJson(Uint8Array.of(0x5b, 0x22, 0xff, 0x22, 0x5d))).toEqual({ ok: false, offsetBytes: 2 })
  })

  test('nesting as deep as a body can be long neither overflows nor takes long', () => {
    const depth = 500_000
    expect(parseJson(encode('['.repeat(depth)))).toEqual({ ok: false, offsetBytes: depth })
    expect(parseJson(encode(`${'[{"a":'.repeat(1000)}1${'}]'.repeat(999)}x`))).toMatchObject({ ok: false })
  })
})

describe('locateJsonError', () => {
  test('agrees with the engine wherever the engine tells a position', () => {
    const base = '{"a": [1, -2.5e+10, "x\\u00e9\\n", true, null, {"b": {}, "c": []}], "d": "é", "e": false}'
    let compared = 0
    let seed = 20260131
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31
      return seed % below
    }
    const pieces = [',', ':', '"', '{', '}', '[', ']', '0', '.', 'e', '-', '\\', 'x', ' ', '\n', '1', 't', 'n']
    for (let round = 0; round < 20_000; round++) {
      const at = random(base.length)
      const cut = random(3)
      const text = base.slice(0, at) + (random(4) ? pieces[random(pieces.length)] : '') + base.slice(at + cut)
      const message = messageOf(text)
      if (message === undefined) continue
      const position = /at position (\d+)/.exec(message)?.[1] ?? (message.includes('end of JSON') ? text.length : undefined)
      if (position === undefined) continue
      compared++
      expect([text, locateJsonError(text)]).toEqual([text, Number(position)])
    }
    expect(compared).toBeGreaterThan(5_000)
  })

  test('finds nothing before the end of what is valid', () => {
    for (const text of ['{}', ' [1] ', '"a"', '0', '-1.5E-3', 'null\n']) expect(locateJsonError(text)).toBe(text.length)
  })
})

function messageOf(text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
