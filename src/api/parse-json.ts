import type { Json } from '../core/chunk.ts'

export type ParsedJson = { ok: true; value: Json } | { ok: false; offsetBytes: number }

/**
 * Parses a body, or says at which byte it stops being JSON. Nothing is repaired. A leading byte order mark is skipped,
 * as the encoding of a JSON text may carry one.
 */
export function parseJson(body: Uint8Array): ParsedJson {
  const hasMark = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf
  const bytes = hasMark ? body.subarray(3) : body
  const shift = hasMark ? 3 : 0
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return { ok: false, offsetBytes: shift + validUtf8Bytes(bytes) }
  }
  try {
    return { ok: true, value: JSON.parse(text) as Json }
  } catch {
    return { ok: false, offsetBytes: shift + new TextEncoder().encode(text.slice(0, locateJsonError(text))).length }
  }
}

/** Length of the longest beginning that no invalid sequence has spoilt, found by halving. */
function validUtf8Bytes(bytes: Uint8Array): number {
  let valid = 0
  let broken = bytes.length
  while (broken - valid > 1) {
    const middle = (valid + broken) >> 1
    try {
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, middle), { stream: true })
      valid = middle
    } catch {
      broken = middle
    }
  }
  return valid
}

const SPACE = /[ \t\n\r]*/y
/** Any UTF-16 unit but quote, backslash and what lies below the space. */
const STRING_BODY = /[ !#-[\]-\uffff]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
/** Longest beginning that may still become a number. */
const NUMBER_BEGUN = /-?(?:(?:0|[1-9][0-9]*)(?:\.(?:[0-9]+(?:[eE](?:[+-]?[0-9]*)?)?)?|[eE](?:[+-]?[0-9]*)?)?)?/y
const WORDS = ['true', 'false', 'null']

/**
 * Index of the first character after which `text` cannot be JSON any more (RFC 8259); `text.length` when it ends too
 * early. Engines tell a position for some errors only. Without recursion: nesting is as deep as the text is long.
 */
export function locateJsonError(text: string): number {
  let at = 0
  const open: ('{' | '[')[] = []
  let expect: 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'after' = 'value'

  const skip = (pattern: RegExp): number => {
    pattern.lastIndex = at
    return at + (pattern.exec(text)?.[0].length ?? 0)
  }
  /** Moves behind the closing quote; false where the string breaks. */
  const string = (): boolean => {
    at++
    for (;;) {
      at = skip(STRING_BODY)
      if (text[at] === '"') {
        at++
        return true
      }
      if (text[at] !== '\\') return false
      at++
      if (text[at] === 'u') {
        at++
        for (let digit = 0; digit < 4; digit++, at++) if (!/^[0-9a-fA-F]$/.test(text[at] ?? '')) return false
      } else {
        if (!/^["\\/bfnrt]$/.test(text[at] ?? '')) return false
        at++
      }
    }
  }
  const word = (): boolean => {
    const target = WORDS.find((candidate) => candidate[0] === text[at])
    if (!target) return false
    for (const letter of target) {
      if (text[at] !== letter) return false
      at++
    }
    return true
  }
  const number = (): boolean => {
    const end = skip(NUMBER)
    const begun = skip(NUMBER_BEGUN)
    at = Math.max(end, begun)
    return end === at
  }
  const scalar = (first: string | undefined): boolean => {
    if (first === '"') return string()
    if (first === '-' || (first !== undefined && first >= '0' && first <= '9')) return number()
    return word()
  }

  for (;;) {
    at = skip(SPACE)
    const char = text[at]
    if (expect === 'after') {
      const within = open.at(-1)
      if (!within || char === undefined) return at
      if (char === ',') expect = within === '{' ? 'key' : 'value'
      else if (char === (within === '{' ? '}' : ']')) open.pop()
      else return at
      at++
    } else if (expect === 'key' || expect === 'key-or-end') {
      if (char === '}' && expect === 'key-or-end') {
        open.pop()
        at++
        expect = 'after'
        continue
      }
      if (char !== '"' || !string()) return at
      at = skip(SPACE)
      if (text[at] !== ':') return at
      at++
      expect = 'value'
    } else if (char === '{' || char === '[') {
      open.push(char)
      at++
      expect = char === '{' ? 'key-or-end' : 'value-or-end'
    } else if (char === ']' && expect === 'value-or-end') {
      open.pop()
      at++
      expect = 'after'
    } else {
      if (!scalar(char)) return at
      expect = 'after'
    }
  }
}
