import type { Io } from '../core/connector.ts'
import type { Env, Settings } from '../env.ts'
import type { SecretBox } from '../platform/secrets.ts'
import { cancelExecution } from './cancel-execution.ts'
import { describeExecution, latestExecution, listChunks, waitForExecution } from './describe-execution.ts'
import type { Operations } from './operations.ts'
import { planLoad } from './plan-load.ts'
import { startLoad } from './start-load.ts'

/** What the verbs need from the outside; made once per request. */
export interface Deps {
  env: Env
  settings: Settings
  secrets: SecretBox
  io: (signal: AbortSignal) => Io
}

export function createOperations(deps: Deps): Operations {
  return {
    startLoad: (caller, command) => startLoad(deps, caller, command),
    planLoad: (caller, command) => planLoad(deps, caller, command),
    describeExecution: (caller, id) => describeExecution(deps, caller, id),
    waitForExecution: (caller, id, timeoutMs) => waitForExecution(deps, caller, id, timeoutMs),
    cancelExecution: (caller, id) => cancelExecution(deps, caller, id),
    latestExecution: (caller, pipeline) => latestExecution(deps, caller, pipeline),
    listChunks: (caller, id, page) => listChunks(deps, caller, id, page),
  }
}
