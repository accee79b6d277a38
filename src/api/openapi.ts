import { z } from 'zod'
import type { Json } from '../core/chunk.ts'
import type { Dialect, DialectContext, Route } from './dialect.ts'

type JsonObject = { [key: string]: Json }

/** The OpenAPI 3.1 description of the dialects given, made from their route tables and zod schemas. */
export function describeApi(dialects: readonly Dialect[], context: DialectContext): JsonObject {
  const paths: { [path: string]: JsonObject } = {}
  const schemas: JsonObject = {}
  for (const dialect of dialects) {
    for (const [name, schema] of Object.entries(dialect.schemas(context.settings))) schemas[name] = jsonSchema(schema)
    for (const route of dialect.routes(context)) {
      const path = route.path.replace(/:(\w+)/g, '{$1}')
      paths[path] = { ...paths[path], [route.method.toLowerCase()]: describeRoute(route, dialect.name) }
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sluice',
      version: '1',
      description: 'Moves tables between stores. Every answer carries `x-request-id`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: dialects.map(({ name, summary }) => ({ name, description: summary })),
    security: [{ bearer: [] }, { apiKey: [] }, { clientId: [], timestamp: [], signature: [] }],
    paths,
    components: {
      schemas,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key, also as `Bearer apikey:<key>`.' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        clientId: { type: 'apiKey', in: 'header', name: 'X-Client-Id' },
        timestamp: { type: 'apiKey', in: 'header', name: 'X-Timestamp', description: 'Unix seconds, at most 300 s from now.' },
        signature: {
          type: 'apiKey',
          in: 'header',
          name: 'X-Signature',
          description: 'Hex HMAC-SHA256 of `<timestamp>.<raw body>` with the secret of the client.',
        },
      },
    },
  }
}

function describeRoute({ path, doc }: Route, tag: string): JsonObject {
  const names = [...path.matchAll(/:(\w+)/g)].map((match) => match[1] as string)
  const parameters: JsonObject[] = names.map((name) => ({
    name,
    in: 'path',
    required: true,
    description: doc.params?.[name] ?? name,
    schema: { type: 'string' },
  }))
  for (const [name, query] of Object.entries(doc.query ?? {})) {
    parameters.push({
      name,
      in: 'query',
      required: query.required ?? false,
      description: query.description,
      schema: jsonSchema(query.schema),
    })
  }
  for (const [name, description] of Object.entries(doc.headers ?? {})) {
    parameters.push({ name, in: 'header', required: false, description, schema: { type: 'string' } })
  }
  const responses: JsonObject = {}
  for (const [status, { description, schema, mediaType = 'application/json' }] of Object.entries(doc.responses)) {
    responses[status] = { description, ...(schema ? { content: { [mediaType]: { schema: reference(schema) } } } : {}) }
  }
  return {
    operationId: doc.operationId,
    tags: [tag],
    summary: doc.summary,
    ...(doc.description ? { description: doc.description } : {}),
    ...(parameters.length ? { parameters } : {}),
    ...(doc.requestBody
      ? { requestBody: { required: true, content: { 'application/json': { schema: reference(doc.requestBody) } } } }
      : {}),
    responses,
  }
}

function reference(name: string): JsonObject {
  return { $ref: `#/components/schemas/${name}` }
}

function jsonSchema(schema: z.ZodType): JsonObject {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonObject
  return rest
}
