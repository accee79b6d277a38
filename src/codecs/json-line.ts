import { badData, shown } from './bad-data.ts'

/**
 * The members of a JSON object with the source text of each value, so that no number changes and nested values stay as
 * they were written. The text must have passed JSON.parse. A repeated key is a fault: one of its values would be lost.
 */
export function members(line: string, record: number): Map<string, string> {
  const found = new Map<string, string>()
  let at = skipBlank(line, line.indexOf('{') + 1)
  while (line[at] !== '}') {
    const keyEnd = stringEnd(line, at)
    const key = JSON.parse(line.slice(at, keyEnd)) as string
    const start = skipBlank(line, skipBlank(line, keyEnd) + 1)
    const end = valueEnd(line, start)
    if (found.has(key)) throw badData(`The key ${shown(key)} occurs twice`, 'Write every key of a record once.', { record, column: key })
    found.set(key, line.slice(start, end))
    at = skipBlank(line, end)
    if (line[at] === ',') at = skipBlank(line, at + 1)
  }
  return found
}

function skipBlank(text: string, from: number): number {
  let at = from
  while (text.charCodeAt(at) <= 32) at++
  return at
}

/** Behind the closing quote of the string that starts at `from`. */
function stringEnd(text: string, from: number): number {
  let at = from + 1
  for (;;) {
    const quote = text.indexOf('"', at)
    let backslashes = 0
    while (text.charCodeAt(quote - 1 - backslashes) === 92) backslashes++
    if (backslashes % 2 === 0) return quote + 1
    at = quote + 1
  }
}

function valueEnd(text: string, from: number): number {
  const first = text[from]
  if (first === '"') return stringEnd(text, from)
  let at = from
  if (first !== '{' && first !== '[') {
    for (;;) {
      const code = text.charCodeAt(at)
      if (code === 44 || code === 125 || code <= 32) return at
      at++
    }
  }
  let depth = 0
  for (;;) {
    switch (text.charCodeAt(at)) {
      case 34:
        at = stringEnd(text, at)
        continue
      case 123:
      case 91:
        depth++
        break
      case 125:
      case 93:
        if (--depth === 0) return at + 1
    }
    at++
  }
}

/** The object of a line. @throws `bad-data` for anything else */
export function parseLine(line: string, record: number): Map<string, string> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    const error = badData(
      'The line is no JSON',
      'Write one complete JSON object per line; a pretty-printed object or an array over several lines is no JSONL.',
      { record },
    )
    error.cause = cause
    throw error
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badData('The line is no JSON object', 'Write one JSON object per line, with the columns as its keys.', { record })
  }
  return members(line, record)
}
