import { createApp } from './api/app.ts'
import type { ApiSettings } from './api/dialect.ts'
import { schemes } from './connectors/registry.ts'
import { type Env, readSettings } from './env.ts'
import { consume } from './execution/consume.ts'
import { createOperations, type Deps } from './operations/create-operations.ts'
import { sweep } from './operations/sweep.ts'
import { workerIo } from './platform/io.ts'
import { log } from './platform/log.ts'
import { secretBox } from './platform/secrets.ts'

export { ExecutionObject } from './execution/execution-object.ts'
export { GateObject } from './execution/gate-object.ts'

/** Runs younger than this are still being started by the request that asked for them. */
const SWEEP_AFTER_MS = 5_000

function depsOf(env: Env): Deps {
  const settings = readSettings(env)
  return {
    env,
    settings,
    secrets: secretBox(settings.MASTER_KEYS),
    io: (signal) => workerIo(settings.PRIVATE_ADDRESSES, signal, settings.IDLE_TIMEOUT_MS),
  }
}

function apiSettings(env: Env): ApiSettings {
  const { AUTH_MODE, API_KEYS, HMAC_CLIENTS, HMAC_REQUIRED } = readSettings(env)
  return {
    auth: { mode: AUTH_MODE, apiKeys: API_KEYS, hmacClients: HMAC_CLIENTS, hmacRequired: HMAC_REQUIRED === 'true' },
    schemes: schemes(),
  }
}

/** Holds no state of its own, so one serves every request of an isolate. */
const apps = new WeakMap<Env, ReturnType<typeof createApp>>()

function appOf(env: Env): ReturnType<typeof createApp> {
  const app = apps.get(env) ?? createApp({ operations: createOperations(depsOf(env)), settings: apiSettings(env), edges: { log } })
  apps.set(env, app)
  return app
}

export default {
  async fetch(request, env, context) {
    return await appOf(env).fetch(request, env, context)
  },
  async queue(batch, env) {
    await consume(batch, env)
  },
  async scheduled(_controller, env) {
    await sweep(depsOf(env), SWEEP_AFTER_MS)
  },
} satisfies ExportedHandler<Env>
