import { z } from 'zod'
import { IngestError } from '../../core/errors.ts'

const oneCharacter = z.string().refine((value) => value.length === 1 && value > '\0' && value < '\x7f', 'must be one ASCII character')

/** How files are to be read, as far as the user says it; the rest is inferred. */
export const fileOptions = z.object({
  delimiter: oneCharacter.refine((value) => !/["\r\n]/.test(value), 'cannot be a quote or line end').optional(),
  /** Empty: there are no quoted fields. */
  quote: z.union([oneCharacter, z.literal('')]).optional(),
  header: z.boolean().optional(),
  nullText: z.string().max(32).optional(),
  /** A name that TextDecoder knows. */
  encoding: z.string().max(32).optional(),
  /** From samples, from everything, or not at all: every column is text. */
  infer: z.enum(['sample', 'full', 'text']).default('sample'),
  /** Read as text whatever the samples say. */
  textColumns: z.array(z.string()).default([]),
})

export type FileOptions = z.output<typeof fileOptions>

/** The options in a URI that concern files. */
export const FILE_OPTION_NAMES = ['delimiter', 'quote', 'header', 'null', 'encoding', 'infer', 'text_columns'] as const

/** Reads them; the map loses what was read. @throws IngestError `invalid-request` */
export function takeFileOptions(given: Map<string, string>): FileOptions {
  const take = (name: (typeof FILE_OPTION_NAMES)[number]): string | undefined => {
    const value = given.get(name)
    given.delete(name)
    return value
  }
  const delimiter = take('delimiter')
  const header = take('header')
  const textColumns = take('text_columns')
  const encoding = take('encoding')
  if (header !== undefined && !['true', 'false'].includes(header)) throw invalidOption('header', 'must be true or false')
  if (encoding !== undefined && !isEncoding(encoding)) throw invalidOption('encoding', `"${encoding.slice(0, 32)}" is no known encoding`)
  const parsed = fileOptions.safeParse({
    delimiter: delimiter === 'tab' || delimiter === '\\t' ? '\t' : delimiter,
    quote: take('quote'),
    header: header === undefined ? undefined : header === 'true',
    nullText: take('null'),
    encoding,
    infer: take('infer'),
    textColumns: textColumns?.split(',').map((name) => name.trim()),
  })
  if (parsed.success) return parsed.data
  throw new IngestError({
    tag: 'invalid-request',
    issues: parsed.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message })),
  })
}

export function invalidOption(path: string, message: string): IngestError {
  return new IngestError({ tag: 'invalid-request', issues: [{ path, message }] })
}

/**
 * `a=1&b=2` behind the question mark of a URI. Escapes are decoded; a plus is a plus, because secrets hold them and are
 * pasted as they are. @throws IngestError `invalid-request`, which names options but never shows values
 */
export function parseOptions(query: string): Map<string, string> {
  const given = new Map<string, string>()
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = equals < 0 ? pair : pair.slice(0, equals)
    if (given.has(name)) throw invalidOption(name.slice(0, 64), 'is given twice')
    try {
      given.set(decodeURIComponent(name), equals < 0 ? '' : decodeURIComponent(pair.slice(equals + 1)))
    } catch {
      throw invalidOption(equals < 0 ? '' : name.slice(0, 64), 'is not properly percent-encoded: write a literal % as %25')
    }
  }
  return given
}

export function refuseUnknown(given: Map<string, string>, known: readonly string[]): void {
  const unknown = [...given.keys()]
  if (unknown.length === 0) return
  throw new IngestError({
    tag: 'invalid-request',
    issues: unknown.map((name) => ({
      path: name.slice(0, 64),
      message: `Unknown option "${name.slice(0, 64)}"; known are ${known.join(', ')}`,
    })),
  })
}

function isEncoding(label: string): boolean {
  try {
    return new TextDecoder(label) !== undefined
  } catch {
    return false
  }
}
