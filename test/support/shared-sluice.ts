import type { TestProject } from 'vitest/node'
import { Sluice } from './servers/sluice.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** `log` is a file that holds everything the service has printed so far. */
    sluice: { url: string; log: string; dataDir: string }
  }
}

/** One service for the run, open on loopback. Tests that kill, or need other settings, start their own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const sluice = await Sluice.start()
  project.provide('sluice', { url: sluice.url, log: sluice.logFile, dataDir: sluice.dataDir })
  return async () => {
    await sluice.stop()
  }
}
