import { describe, expect, test } from 'vitest'
import { ingestDialect } from '../../src/api/ingest/dialect.ts'
import type { Json } from '../../src/core/chunk.ts'
import { FakeOperations } from './fake-operations.ts'
import { harness, OPEN, SCHEMES } from './harness.ts'

type Doc = { [key: string]: Json }
interface Operation {
  operationId: string
  parameters?: { name: string; in: string; required: boolean; schema: Doc }[]
  responses: Record<string, Doc>
}

async function document() {
  const { send } = harness({ mode: 'required' })
  return (await send('GET', '/openapi.json')).body as {
    openapi: string
    paths: Record<string, Record<string, Operation>>
    components: { schemas: Record<string, Doc>; securitySchemes: Record<string, Doc> }
    security: Record<string, Json>[]
  }
}

function* nodes(value: Json): Iterable<Doc> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield value
  for (const child of Array.isArray(value) ? value : Object.values(value)) yield* nodes(child)
}

describe('the API description', () => {
  test('every reference leads somewhere and every schema is used', async () => {
    const doc = await document()
    expect(doc.openapi).toBe('3.1.0')
    const used = new Set<string>()
    for (const node of nodes(doc as unknown as Json)) {
      if (typeof node.$ref !== 'string') continue
      const name = node.$ref.replace('#/components/schemas/', '')
      expect(doc.components.schemas, node.$ref).toHaveProperty(name)
      used.add(name)
    }
    // Described for people: what `config` holds.
    for (const name of ['UpsertConfig', 'DeleteInsertConfig', 'Scd2Config']) used.add(name)
    expect(Object.keys(doc.components.schemas).sort()).toEqual([...used].sort())
    for (const requirement of doc.security) {
      for (const name of Object.keys(requirement)) expect(doc.components.securitySchemes).toHaveProperty(name)
    }
  })

  test('operation ids are unique, path parameters are declared, every operation has responses', async () => {
    const { paths } = await document()
    const ids: string[] = []
    for (const [path, operations] of Object.entries(paths)) {
      expect(path.startsWith('/')).toBe(true)
      for (const [method, operation] of Object.entries(operations)) {
        expect(['get', 'post', 'put', 'patch', 'delete']).toContain(method)
        ids.push(operation.operationId)
        expect(Object.keys(operation.responses).length).toBeGreaterThan(1)
        for (const [status, response] of Object.entries(operation.responses)) {
          expect(status).toMatch(/^[2-5]\d\d$/)
          expect(response.description).toBeTruthy()
        }
        const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path').map(({ name }) => name)
        expect(declared).toEqual([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]))
      }
    }
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('schemas use only words of JSON Schema 2020-12', async () => {
    const { components } = await document()
    const types = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']
    for (const schema of Object.values(components.schemas)) {
      for (const node of nodes(schema)) {
        if (typeof node.type === 'string' && !('properties' in node && typeof node.properties === 'string'))
          expect(types).toContain(node.type)
        expect(node).not.toHaveProperty('$schema')
      }
    }
  })

  test('it covers every route of every API', async () => {
    const { paths } = await document()
    const context = {
      operations: new FakeOperations(),
      settings: { auth: OPEN, schemes: SCHEMES },
      edges: { nowMs: () => 0, sleep: async () => {}, log: () => {} },
    }
    const described = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const served = ingestDialect.routes(context).map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
    expect(described.sort()).toEqual(served.sort())
  })

  test('docs/openapi/ingest.json is what the service serves (write it anew with vitest -u)', async () => {
    const file = new URL('../../docs/openapi/ingest.json', import.meta.url)
    const text = `${JSON.stringify(await document(), null, 2)}\n`
    await expect(text).toMatchFileSnapshot(file.pathname)
  })
})
