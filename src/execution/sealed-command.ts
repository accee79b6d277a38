import type { LoadCommand } from '../operations/operations.ts'
import type { SecretBox } from '../platform/secrets.ts'

/** The stored command of an execution, credentials included: stays in memory. @throws IngestError `internal` without its master key */
export async function openCommand(secrets: SecretBox, sealed: string, executionId: string): Promise<LoadCommand> {
  return JSON.parse(await secrets.open(sealed, executionId)) as LoadCommand
}
