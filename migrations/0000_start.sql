CREATE TABLE `cursors` (
	`workspace_id` text NOT NULL,
	`pipeline` text NOT NULL,
	`stream` text NOT NULL,
	`destination_table` text NOT NULL,
	`cursor_column` text NOT NULL,
	`value` text NOT NULL,
	`execution_id` text NOT NULL,
	`updated_at_ms` integer NOT NULL,
	PRIMARY KEY(`workspace_id`, `pipeline`, `stream`, `destination_table`, `cursor_column`)
);
--> statement-breakpoint
CREATE TABLE `executions` (
	`id` text PRIMARY KEY NOT NULL,
	`workspace_id` text NOT NULL,
	`pipeline` text NOT NULL,
	`status` text NOT NULL,
	`idempotency_key` text,
	`command_fingerprint` text NOT NULL,
	`sealed_command` text,
	`created_at_ms` integer NOT NULL,
	`ended_at_ms` integer,
	`view` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `executions_idempotency` ON `executions` (`workspace_id`,`idempotency_key`);--> statement-breakpoint
CREATE INDEX `executions_by_pipeline` ON `executions` (`workspace_id`,`pipeline`,`created_at_ms`);--> statement-breakpoint
CREATE INDEX `executions_by_status` ON `executions` (`status`,`created_at_ms`);