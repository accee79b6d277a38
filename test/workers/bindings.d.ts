/// <reference types="@cloudflare/vitest-plugin/types" />

declare namespace Cloudflare {
  interface Env {
    DB: D1Database
    GATES: DurableObjectNamespace<import('../../src/execution/gate-object.ts').GateObject>
    LEDGERS: DurableObjectNamespace<import('./worker.ts').LedgerObject>
    MIGRATIONS: import('@cloudflare/vitest-plugin').D1Migration[]
  }
}
