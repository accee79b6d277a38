import { join } from 'node:path'
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

const ROOT = join(import.meta.dirname, '../..')

/** Inside workerd: objects, D1, the HTTP shell. Database drivers do not load here; they are tested live. */
export default defineConfig({
  root: ROOT,
  plugins: [
    cloudflareTest(async () => ({
      main: join(ROOT, 'test/workers/worker.ts'),
      miniflare: {
        compatibilityDate: '2026-10-01',
        compatibilityFlags: ['nodejs_compat'],
        d1Databases: ['DB'],
        durableObjects: {
          GATES: { className: 'GateObject', useSQLite: true },
          LEDGERS: { className: 'LedgerObject', useSQLite: true },
        },
        bindings: { MIGRATIONS: await readD1Migrations(join(ROOT, 'migrations')) },
      },
    })),
  ],
  test: { name: 'workers', include: ['test/workers/**/*.test.ts'], fsModuleCache: false },
})
