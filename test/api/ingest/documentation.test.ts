import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { harness, resourceWith } from '../harness.ts'

const page = readFileSync(new URL('../../../docs/api/ingest.md', import.meta.url).pathname, 'utf8')

describe('docs/api/ingest.md', () => {
  test('its first request is answered as it says', async () => {
    const body = /-d '(\{.*?\n {2}\})'/s.exec(page)?.[1] ?? ''
    const answer = await harness().send('POST', '/ingest', body)
    const shown = JSON.parse(/```json\n(\{\n {2}"status".*?\n\})\n```/s.exec(page)?.[1] ?? '')
    const { schema_version_hash, execution_id, ...fixed } = shown
    expect([answer.status, answer.body]).toMatchObject([200, fixed])
    expect(answer.body).toHaveProperty('schema_version_hash')
    expect(answer.body).toHaveProperty('execution_id')
  })

  test('its write dispositions are accepted', async () => {
    const examples = [...page.matchAll(/^\{"type": .*\}$/gm)].map(([line]) => JSON.parse(line))
    expect(examples.map(({ strategy, type }) => strategy ?? type)).toEqual(['replace', 'append', 'upsert', 'delete-insert', 'scd2'])
    for (const write_disposition_config of examples) {
      expect((await harness().send('POST', '/ingest', resourceWith({ write_disposition_config }))).status).toBe(200)
    }
  })

  test('it names every field and every route of the API', async () => {
    const doc = (await harness().send('GET', '/openapi.json')).body as {
      paths: Record<string, Record<string, unknown>>
      components: {
        schemas: {
          IngestRequest: { properties: Record<string, unknown> & { resources: { items: { properties: Record<string, unknown> } } } }
        }
      }
    }
    const { properties } = doc.components.schemas.IngestRequest
    for (const field of [...Object.keys(properties), ...Object.keys(properties.resources.items.properties)]) expect(page).toContain(field)
    for (const [path, operations] of Object.entries(doc.paths)) {
      if (path.startsWith('/ferry')) continue
      for (const method of Object.keys(operations)) expect(page).toContain(`${method.toUpperCase()} ${path}`)
    }
  })
})
