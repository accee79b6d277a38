import { invalidOption } from '../shared/file-options.ts'

/** Alternatives that `{a,b}` may multiply to. */
const ALTERNATIVES_MAX = 256

type Token =
  | { type: 'character'; character: string }
  /** Any characters of one part of the path. */
  | { type: 'any' }
  /** Any characters. */
  | { type: 'deep' }
  /** Nothing, or any characters up to and with a slash. */
  | { type: 'parts' }
  | { type: 'one' }
  | { type: 'set'; has: (character: string) => boolean }

export interface Glob {
  /** Every match begins with this. */
  prefix: string
  matches(key: string): boolean
}

export function hasWildcards(pattern: string): boolean {
  return /[*?[\]{}]/.test(pattern)
}

/**
 * A star and `?` stay within one part of the path, a double star crosses parts and, between slashes, also stands for no
 * part at all; `[a-z]` and `[!a]` are sets, `{a,b}` alternatives. Matching takes time in proportion to pattern × key,
 * whatever the pattern.
 */
export function parseGlob(pattern: string): Glob {
  const alternatives = expandBraces(pattern).map(tokenize)
  return {
    prefix: commonPrefix(alternatives.map(literalStart)),
    matches: (key) => alternatives.some((tokens) => matchTokens(tokens, key)),
  }
}

function expandBraces(pattern: string): string[] {
  const open = pattern.indexOf('{')
  if (open < 0) return [pattern]
  let depth = 0
  const bounds = [open]
  for (let at = open; at < pattern.length; at++) {
    if (pattern[at] === '{') depth++
    else if (pattern[at] === ',' && depth === 1) bounds.push(at)
    else if (pattern[at] === '}' && --depth === 0) {
      bounds.push(at)
      const found: string[] = []
      for (let index = 1; index < bounds.length; index++) {
        const middle = pattern.slice((bounds[index - 1] as number) + 1, bounds[index])
        found.push(...expandBraces(pattern.slice(0, open) + middle + pattern.slice(at + 1)))
        if (found.length > ALTERNATIVES_MAX) throw invalidOption('', `The pattern has more than ${ALTERNATIVES_MAX} alternatives`)
      }
      return found
    }
  }
  throw invalidOption('', `The pattern "${pattern}" has a brace that is never closed`)
}

function tokenize(pattern: string): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] as string
    if (character === '*') {
      const from = at
      while (pattern[at + 1] === '*') at++
      if (at === from) tokens.push({ type: 'any' })
      else if ((from === 0 || pattern[from - 1] === '/') && pattern[at + 1] === '/') {
        tokens.push({ type: 'parts' })
        at++
      } else tokens.push({ type: 'deep' })
    } else if (character === '?') tokens.push({ type: 'one' })
    else if (character === '[') {
      const negated = pattern[at + 1] === '!' || pattern[at + 1] === '^'
      const close = pattern.indexOf(']', at + (negated ? 3 : 2))
      if (close < 0) throw invalidOption('', `The pattern "${pattern}" has a bracket that is never closed`)
      const has = characterSet(pattern.slice(at + (negated ? 2 : 1), close))
      tokens.push({ type: 'set', has: (one) => one !== '/' && has(one) !== negated })
      at = close
    } else tokens.push({ type: 'character', character })
  }
  return tokens
}

function characterSet(body: string): (character: string) => boolean {
  const ranges: [string, string][] = []
  for (let at = 0; at < body.length; at++) {
    const low = body[at] as string
    const high = body[at + 1] === '-' && at + 2 < body.length ? (body[at + 2] as string) : low
    if (high !== low || body[at + 1] === '-') at += body[at + 1] === '-' && at + 2 < body.length ? 2 : 0
    ranges.push([low, high])
  }
  return (character) => ranges.some(([low, high]) => character >= low && character <= high)
}

/** Follows all ways through the pattern at once: `here[i]` says that the first i tokens can have matched so far. */
function matchTokens(tokens: readonly Token[], key: string): boolean {
  const width = tokens.length + 1
  let here = new Uint8Array(width)
  here[0] = 1
  skipEmpty(tokens, here)
  for (const character of key) {
    const next = new Uint8Array(width)
    tokens.forEach((token, index) => {
      if (!here[index]) return
      switch (token.type) {
        case 'character':
          if (token.character === character) next[index + 1] = 1
          break
        case 'one':
          if (character !== '/') next[index + 1] = 1
          break
        case 'set':
          if (token.has(character)) next[index + 1] = 1
          break
        case 'any':
          if (character !== '/') next[index] = 1
          break
        case 'deep':
          next[index] = 1
          break
        case 'parts':
          next[index] = 2
          if (character === '/') next[index + 1] = 1
      }
    })
    skipEmpty(tokens, next)
    here = next
  }
  return here[tokens.length] === 1
}

/** Stars may match nothing; `parts` only before it has taken a character (2: it has). */
function skipEmpty(tokens: readonly Token[], at: Uint8Array): void {
  tokens.forEach((token, index) => {
    const empty = token.type === 'any' || token.type === 'deep' || (token.type === 'parts' && at[index] === 1)
    if (at[index] && empty) at[index + 1] = 1
  })
}

function literalStart(tokens: readonly Token[]): string {
  let text = ''
  for (const token of tokens) {
    if (token.type !== 'character') break
    text += token.character
  }
  return text
}

function commonPrefix(texts: readonly string[]): string {
  let prefix = texts[0] ?? ''
  for (const text of texts) while (!text.startsWith(prefix)) prefix = prefix.slice(0, -1)
  return prefix
}
