import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = new URL('..', import.meta.url).pathname

/** What each folder of src may import besides itself and limits.ts; a file stands for that file alone. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: [],
  codecs: ['core'],
  connectors: ['core', 'codecs'],
  manifest: ['core', 'codecs'],
  transfer: ['core', 'codecs'],
  store: ['core'],
  platform: ['core'],
  execution: ['core', 'transfer', 'store', 'platform', 'env.ts', 'connectors/registry.ts', 'operations/operations.ts'],
  operations: ['core', 'transfer', 'store', 'platform', 'env.ts', 'connectors/registry.ts', 'execution'],
  api: ['core', 'operations/operations.ts'],
  'env.ts': ['core', 'execution'],
  'limits.ts': [],
  'index.ts': ['core', 'api', 'operations', 'execution', 'store', 'transfer', 'platform', 'env.ts', 'connectors/registry.ts'],
}

/** Packages a folder may use; folders that are not named are free to. */
const MAY_USE: Record<string, readonly string[]> = {
  core: ['zod'],
  transfer: [],
  operations: ['zod'],
  api: ['hono', 'zod'],
}

/** Words of one public API that may be spoken in its own folder only. */
const DIALECT_WORDS: Record<string, RegExp> = {
  'src/api/ingest':
    /\b(?:identity|ferry|dlt|dataset_name|source_table_name|destination_table_name|write_disposition\w*|incremental_config)\b/i,
}

/** Files over 400 lines, each with its reason. None may pass 600. */
const LONG_FILES: Record<string, string> = {}

interface Import {
  from: string
  specifier: string
  typeOnly: boolean
}

const sources = filesBelow('src')
const tests = filesBelow('test')
const imports = sources.flatMap(importsOf)

describe('imports', () => {
  test('point one way', () => {
    const wrong = imports.filter(isOurs).filter((each) => {
      const target = targetOf(each)
      const [from, to] = [partOf(each.from), partOf(target)]
      const allowed = MAY_IMPORT[from]
      if (!allowed) return true
      if (from === to || to === 'limits.ts') return false
      return !allowed.some((name) => (name.includes('/') ? target === `src/${name}` : to === name))
    })
    expect(told(wrong)).toEqual([])
  })

  test('every folder of src has its rule', () => {
    expect([...new Set(sources.map(partOf))].filter((part) => !(part in MAY_IMPORT))).toEqual([])
  })

  test('a connector knows no other connector; the registry alone knows them all', () => {
    const wrong = imports.filter(isOurs).filter((each) => {
      const [from, to] = [connectorOf(each.from), connectorOf(targetOf(each))]
      if (!from || !to || from === to || to === 'shared') return false
      return from !== 'registry.ts'
    })
    expect(told(wrong)).toEqual([])
  })

  test('execution takes nothing but types from operations', () => {
    const wrong = imports.filter(
      (each) => partOf(each.from) === 'execution' && targetOf(each).startsWith('src/operations/') && !each.typeOnly,
    )
    expect(told(wrong)).toEqual([])
  })

  test('a dialect knows no other dialect; app.ts alone knows dialects', () => {
    const dialect = (file: string) => /^src\/api\/([^/]+)\//.exec(file)?.[1]
    const wrong = imports.filter(isOurs).filter((each) => {
      const to = dialect(targetOf(each))
      return to !== undefined && dialect(each.from) !== to && each.from !== 'src/api/app.ts'
    })
    expect(told(wrong)).toEqual([])
  })

  test('run in no circle', () => {
    const graph = new Map<string, string[]>()
    for (const each of imports) {
      if (each.typeOnly || !isOurs(each)) continue
      graph.set(each.from, [...(graph.get(each.from) ?? []), targetOf(each)])
    }
    expect(sources.map((file) => circleFrom(file, graph)).filter(Boolean)).toEqual([])
  })

  test('name files with their extension', () => {
    const wrong = imports.filter(isOurs).filter((each) => !each.specifier.endsWith('.ts'))
    expect(told(wrong)).toEqual([])
  })

  test('of packages stay with the folders that need them, and core uses types alone', () => {
    const wrong = imports.filter((each) => {
      if (isOurs(each) || each.specifier.startsWith('cloudflare:')) return false
      const part = partOf(each.from)
      const allowed = MAY_USE[part]
      const name = each.specifier.startsWith('@') ? each.specifier.split('/').slice(0, 2).join('/') : (each.specifier.split('/')[0] ?? '')
      return (allowed !== undefined && !allowed.includes(name)) || (part === 'core' && !each.typeOnly)
    })
    expect(told(wrong)).toEqual([])
  })
})

describe('files', () => {
  test('the entry alone has a default export', () => {
    const wrong = sources.filter((file) => file !== 'src/index.ts' && /^export default\b|\bas default\b/m.test(read(file)))
    expect(wrong).toEqual([])
  })

  test('say in their name what they are', () => {
    const vague = /(?:^|[-.])(?:utils?|helpers?|common|managers?|services?|base|misc|index)(?:[-.]|$)/
    const wrong = [...sources, ...tests].filter((file) => {
      if (file === 'src/index.ts' || file.endsWith('.config.ts')) return false
      const name = file.slice(file.lastIndexOf('/') + 1, -'.ts'.length)
      return vague.test(name) || !/^[a-z0-9]+(?:[-.][a-z0-9]+)*$/.test(name)
    })
    expect(wrong).toEqual([])
  })

  test('are short, or say why not', () => {
    const lengths = [...sources, ...tests].map((file): [string, number] => [file, read(file).split('\n').length - 1])
    expect(lengths.filter(([file, lines]) => lines > 400 && !LONG_FILES[file])).toEqual([])
    expect(lengths.filter(([, lines]) => lines > 600)).toEqual([])
    const long = lengths.filter(([, lines]) => lines > 400).map(([file]) => file)
    expect(Object.keys(LONG_FILES).filter((file) => !long.includes(file))).toEqual([])
  })

  test('keep the words of one API inside its folder', () => {
    for (const [folder, words] of Object.entries(DIALECT_WORDS)) {
      const leaks = sources
        .filter((file) => !file.startsWith(`${folder}/`))
        .flatMap((file) =>
          read(file)
            .split('\n')
            // `identity` is also the name of a content coding of HTTP.
            .filter((line) => words.test(line) && !/encoding/i.test(line))
            .map((line) => `${file}: ${line.trim()}`),
        )
      expect(leaks).toEqual([])
      expect(sources.some((file) => file.startsWith(`${folder}/`) && words.test(read(file)))).toBe(true)
    }
  })

  test('explain each folder of src in at most 40 lines', () => {
    const readmes = filesBelow('src', 'README.md').map((file): [string, number] => [file, read(file).split('\n').length - 1])
    expect(readmes.length).toBeGreaterThan(0)
    expect(readmes.filter(([, lines]) => lines > 40)).toEqual([])
  })
})

test('packages are pinned to one version', () => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
  const all = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
  expect(all.length).toBeGreaterThan(10)
  expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))).toEqual([])
})

test('no test is left out', () => {
  const leaving =
    /\b(?:test|it|describe|suite|bench)(?:\.\w+)*\.(?:skip|only|todo|skipIf|runIf|fails)\b|\b(?:context|ctx|task)\.skip\(|\bx(?:it|test|describe)\(/
  expect(tests.filter((file) => leaving.test(read(file)))).toEqual([])
  expect(leaving.test(['test', 'only'].join('.'))).toBe(true)
})

function filesBelow(folder: string, suffix = '.ts'): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(suffix))
    .map((file) => join(folder, file))
    .sort()
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

function importsOf(from: string): Import[] {
  const text = read(from)
  const statements = text.matchAll(/^(?:import|export)\s+(type\s)?((?:[^'";]*?\sfrom\s+)?)'([^']+)'/gm)
  const dynamic = text.matchAll(/\bimport\(\s*'([^']+)'/g)
  return [
    ...[...statements].map(([, type, clause = '', specifier = '']) => ({
      from,
      specifier,
      typeOnly: Boolean(type) || isTypesOnly(clause),
    })),
    ...[...dynamic].map(([, specifier = '']) => ({ from, specifier, typeOnly: false })),
  ]
}

/** `{ type A, type B } from` */
function isTypesOnly(clause: string): boolean {
  const names = /^\{([^}]*)\}/.exec(clause.trim())?.[1]
  return (names ?? 'value').split(',').every((name) => !name.trim() || name.trim().startsWith('type '))
}

function isOurs({ specifier }: Import): boolean {
  return specifier.startsWith('.')
}

function targetOf({ from, specifier }: Import): string {
  return specifier.startsWith('.') ? normalize(join(dirname(from), specifier)) : specifier
}

/** `core`, `api`, … or the file's name for files directly in src. */
function partOf(file: string): string {
  return relative('src', file).split('/')[0] ?? ''
}

function connectorOf(file: string): string | undefined {
  return /^src\/connectors\/([^/]+)/.exec(file)?.[1]
}

function told(wrong: Import[]): string[] {
  return wrong.map(({ from, specifier }) => `${from} imports ${specifier}`)
}

function circleFrom(start: string, graph: Map<string, string[]>): string | undefined {
  const seen = new Set<string>()
  const walk = (file: string, path: string[]): string | undefined => {
    for (const next of graph.get(file) ?? []) {
      if (next === start) return [...path, next].join(' → ')
      if (seen.has(next)) continue
      seen.add(next)
      const found = walk(next, [...path, next])
      if (found) return found
    }
    return undefined
  }
  return walk(start, [start])
}
