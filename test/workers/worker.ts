import { DurableObject } from 'cloudflare:workers'
import { Ledger } from '../../src/execution/ledger.ts'

export { GateObject } from '../../src/execution/gate-object.ts'

/** An object with nothing but a ledger, so that the ledger's SQL is proven on the platform's own SQLite. */
export class LedgerObject extends DurableObject<Cloudflare.Env> {
  readonly ledger: Ledger
  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env)
    this.ledger = new Ledger(ctx.storage.sql)
  }
}

export default { fetch: () => new Response('not served') }
