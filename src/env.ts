import { z } from 'zod'
import type { ExecutionObject } from './execution/execution-object.ts'
import type { GateObject } from './execution/gate-object.ts'
import type { Task } from './execution/task.ts'

/** The Worker's bindings; see wrangler.toml. Everything but the first four are texts read by `readSettings`. */
export interface Env {
  DB: D1Database
  EXECUTIONS: DurableObjectNamespace<ExecutionObject>
  GATES: DurableObjectNamespace<GateObject>
  TASKS: Queue<Task>
  [variable: string]: unknown
}

const json = <T extends z.ZodType>(shape: T) =>
  z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown
      } catch {
        context.addIssue({ code: 'custom', message: 'must be JSON' })
        return z.NEVER
      }
    })
    .pipe(shape)

const Settings = z.object({
  /** `open` serves anybody, on loopback only, for local development. */
  AUTH_MODE: z.enum(['required', 'open']).default('required'),
  /** Secret. `[{"id":"ci","sha256":"…hex of the key…","workspaceId":"default"}]` */
  API_KEYS: json(
    z.array(
      z.object({ id: z.string().min(1), sha256: z.string().regex(/^[0-9a-f]{64}$/i), workspaceId: z.string().min(1).default('default') }),
    ),
  ).default([]),
  /** Secret. `[{"id":"billing","secret":"…","workspaceId":"default"}]` */
  HMAC_CLIENTS: json(
    z.array(z.object({ id: z.string().min(1), secret: z.string().min(16), workspaceId: z.string().min(1).default('default') })),
  ).default([]),
  /** `true`: only requests signed by an HMAC client are let in, whatever AUTH_MODE says. */
  HMAC_REQUIRED: z.enum(['true', 'false']).default('false'),
  /** Secret. `id:base64 of 32 bytes`, comma separated, the newest first. */
  MASTER_KEYS: z.string().min(1),
  /** Secret. Goes into pseudonymized columns; changing it changes every pseudonym. */
  PSEUDONYM_SALT: z.string().default('sluice'),
  /** Which addresses beyond the public internet users may name: `none`, `loopback` or `all`. */
  PRIVATE_ADDRESSES: z.enum(['none', 'loopback', 'all']).default('none'),
  /** For tests of recovery; see LEASE_TTL_MS in limits.ts. */
  LEASE_TTL_MS: z.coerce.number().int().min(500).optional(),
  /** For tests of recovery; see IDLE_TIMEOUT_MS in limits.ts. */
  IDLE_TIMEOUT_MS: z.coerce.number().int().min(500).optional(),
  /** Size of the pieces streams are cut into, for measurements; see transfer/chunk-size.ts for the default. */
  CHUNK_BYTES: z.coerce.number().int().min(8192).optional(),
})

export type Settings = z.output<typeof Settings>

const read = new WeakMap<Env, Settings>()

/** Parsed once per isolate; names every setting that is wrong, never its value. */
export function readSettings(env: Env): Settings {
  let settings = read.get(env)
  if (!settings) {
    const result = Settings.safeParse(env)
    if (!result.success) {
      throw new Error(`Settings: ${result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}`)
    }
    settings = result.data
    read.set(env, settings)
  }
  return settings
}
