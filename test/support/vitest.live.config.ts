import { defineConfig } from 'vitest/config'

/** Connectors alone, on Node, against real servers. */
export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  test: {
    name: 'connectors',
    include: ['test/**/*.server.test.ts'],
    globalSetup: ['test/support/shared-servers.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
})
