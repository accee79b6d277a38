import { defineConfig } from 'vitest/config'

/** Node against real servers: connectors alone (`*.server.test.ts`) and the whole service (`test/live`). */
export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  test: {
    name: 'live',
    include: ['test/**/*.server.test.ts', 'test/live/**/*.test.ts'],
    globalSetup: ['test/support/shared-servers.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
})
