/** Parts of `system.tables.engine_full`: `ReplacingMergeTree(v) PARTITION BY p ORDER BY k TTL … SETTINGS …`. */
export interface EngineClauses {
  engine: string
  /** Everything behind the engine's name and arguments, without TTL. */
  rest: string
  hasTtl: boolean
}

export function readEngine(engineFull: string): EngineClauses {
  const cuts = topLevelPositions(engineFull)
  const engine = /^\w+/.exec(engineFull)?.[0] ?? ''
  const head = engineFull[engine.length] === '(' ? closing(engineFull, engine.length) + 1 : engine.length
  const ttl = cuts.find((at) => engineFull.startsWith(' TTL ', at))
  if (ttl === undefined) return { engine, rest: engineFull.slice(head).trim(), hasTtl: false }
  const after = cuts.find((at) => at > ttl && engineFull.startsWith(' SETTINGS ', at)) ?? engineFull.length
  return { engine, rest: (engineFull.slice(head, ttl) + engineFull.slice(after)).trim(), hasTtl: true }
}

/** Positions of spaces outside quotes and parentheses. */
function topLevelPositions(text: string): number[] {
  const found: number[] = []
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? ''
    if ('\'`"'.includes(char)) at = endOfQuote(text, at)
    else if (char === '(') at = closing(text, at)
    else if (char === ' ') found.push(at)
  }
  return found
}

function closing(text: string, open: number): number {
  let depth = 0
  for (let at = open; at < text.length; at++) {
    const char = text[at] ?? ''
    if ('\'`"'.includes(char)) at = endOfQuote(text, at)
    else if (char === '(') depth++
    else if (char === ')' && --depth === 0) return at
  }
  return text.length - 1
}

function endOfQuote(text: string, open: number): number {
  for (let at = open + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === text[open]) return at
  }
  return text.length - 1
}
