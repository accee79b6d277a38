import { defineConfig } from 'vitest/config'

/** The whole service under `wrangler dev` against real servers. */
export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  test: {
    name: 'service',
    include: ['test/live/**/*.test.ts'],
    globalSetup: ['test/support/shared-servers.ts', 'test/support/shared-sluice.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
})
