import { defineConfig } from 'vitest/config'

/** Plain Node, no server: seconds. */
export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  test: {
    name: 'unit',
    maxWorkers: 2,
    include: ['test/**/*.test.ts'],
    exclude: ['test/live/**', 'test/workers/**', 'test/**/*.server.test.ts'],
  },
})
