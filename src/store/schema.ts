import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** One run. Written when it is asked for, when it starts and when it ends; what changes every second lives in its object. */
export const executions = sqliteTable(
  'executions',
  {
    id: text().primaryKey(),
    workspaceId: text('workspace_id').notNull(),
    pipeline: text().notNull(),
    status: text({ enum: ['PENDING', 'RUNNING', 'SUCCESS', 'FAILED'] }).notNull(),
    idempotencyKey: text('idempotency_key'),
    /** Keyed digest of the command: the same idempotency key with another command is a conflict. */
    commandFingerprint: text('command_fingerprint').notNull(),
    /** The command, encrypted; taken away when the run ends. */
    sealedCommand: text('sealed_command'),
    createdAtMs: integer('created_at_ms').notNull(),
    endedAtMs: integer('ended_at_ms'),
    /** The final ExecutionView as JSON. */
    view: text(),
  },
  (table) => [
    uniqueIndex('executions_idempotency').on(table.workspaceId, table.idempotencyKey),
    index('executions_by_pipeline').on(table.workspaceId, table.pipeline, table.createdAtMs),
    index('executions_by_status').on(table.status, table.createdAtMs),
  ],
)

/** Where the next incremental run of a pipeline goes on. Moved only together with the end of a run that loaded the rows. */
export const cursors = sqliteTable(
  'cursors',
  {
    workspaceId: text('workspace_id').notNull(),
    pipeline: text().notNull(),
    stream: text().notNull(),
    table: text('destination_table').notNull(),
    column: text('cursor_column').notNull(),
    /** Text form of the value. */
    value: text().notNull(),
    executionId: text('execution_id').notNull(),
    updatedAtMs: integer('updated_at_ms').notNull(),
  },
  (table) => [primaryKey({ columns: [table.workspaceId, table.pipeline, table.stream, table.table, table.column] })],
)
