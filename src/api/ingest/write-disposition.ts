import { z } from 'zod'
import type { WriteMode } from '../../core/chunk.ts'
import { textFormOfTime } from './timestamps.ts'
import { valueError, wording } from './validation.ts'

const REPLACE_STRATEGIES = ['truncate-and-insert', 'insert-from-staging', 'staging-optimized']
const NESTED_CONFIG = { 'delete-insert': 'delete_insert_config', upsert: 'upsert_config', scd2: 'scd2_config' } as const
type MergeStrategy = keyof typeof NESTED_CONFIG

const columnName = z.string().min(1, valueError('Field must be provided'))
const keyColumns = z
  .union([z.string(), z.array(z.string())], {
    error: (issue) => (issue.input === undefined ? 'Field required' : 'Input should be a string or a list of strings'),
  })
  .describe('One column, or several in order.')

export const deleteInsertConfig = z
  .object({
    primary_key: keyColumns.nullish(),
    merge_key: keyColumns.nullish(),
    hard_delete_column: columnName.nullish().describe('Rows of the load in which this column is set are deleted at the destination.'),
    dedup_sort_column: z
      .record(z.string(), z.enum(['asc', 'desc']))
      .nullish()
      .describe('One column and the order in which the first row of a primary key survives.'),
  })
  .superRefine((config, context) => {
    if (!columns(config.primary_key).length && !columns(config.merge_key).length) {
      const message = "At least one of 'primary' or 'merge' key(s) must be provided for delete-insert strategy"
      context.addIssue({ code: 'custom', message: valueError(message), input: config })
    }
    if (config.dedup_sort_column && Object.keys(config.dedup_sort_column).length !== 1) {
      const message = valueError('Exactly one column can be sorted by')
      context.addIssue({ code: 'custom', path: ['dedup_sort_column'], message, input: config })
    }
  })

export const upsertConfig = z.object({
  primary_key: keyColumns.superRefine((key, context) => {
    const problem = primaryKeyProblem(key)
    if (problem) context.addIssue({ code: 'custom', message: valueError(problem), input: key })
  }),
  hard_delete_column: deleteInsertConfig.shape.hard_delete_column,
})

const moment = z
  .string()
  .refine(
    (text) => text === '' || textFormOfTime(text) !== undefined,
    valueError('Not a date or a time such as 9999-12-31 or 2026-01-31T12:00:00Z'),
  )

export const scd2Config = z
  .object({
    natural_merge_key: keyColumns.nullish().describe('Identifies a row. Rows absent from the load stay as they are.'),
    partition_merge_key: keyColumns.nullish().describe('Absent rows are closed only inside the partitions that the load brings.'),
    validity_column_names: z
      .array(columnName)
      .refine((names) => names.length === 2, valueError('Validity column names must contain exactly two strings'))
      .refine((names) => names.length !== 2 || names[0] !== names[1], valueError('Validity column names must differ'))
      .default(['valid_from', 'valid_to']),
    active_record_timestamp: moment
      .nullish()
      .default('9999-12-31')
      .describe('What the end of validity of a current row holds; null or empty for NULL.'),
    use_boundary_timestamp: z
      .boolean()
      .nullish()
      .describe('Accepted. The moment of change is when the execution started, with or without it.'),
    boundary_timestamp: moment.nullish().describe('The moment of change, when it should not be the start of the execution.'),
  })
  .superRefine((config, context) => {
    if (columns(config.natural_merge_key).length && columns(config.partition_merge_key).length) {
      const message = valueError("Only one of 'natural' or 'partition' merge key(s) must be provided for scd2 strategy")
      context.addIssue({ code: 'custom', path: ['partition_merge_key'], message, input: config })
    }
  })

const MERGE_CONFIGS = { 'delete-insert': deleteInsertConfig, upsert: upsertConfig, scd2: scd2Config }

/** How rows join those that are at the destination. The output is the write mode of the core. */
export const writeDispositionConfig = z
  .object({
    type: z.enum(['replace', 'append', 'merge']).default('replace'),
    strategy: z
      .string()
      .nullish()
      .describe(
        'replace: truncate-and-insert (default), insert-from-staging, staging-optimized. merge: delete-insert (default), upsert, scd2.',
      ),
    config: z
      .record(z.string(), z.unknown())
      .nullish()
      .describe(
        'For merges: the fields of DeleteInsertConfig, UpsertConfig or Scd2Config, either directly or inside `delete_insert_config`, `upsert_config` or `scd2_config`.',
      ),
  })
  .transform((value, context): WriteMode => {
    const fail = (message: string, path: PropertyKey[] = []) => {
      context.issues.push({ code: 'custom', message, path, input: value })
      return z.NEVER
    }
    const { type, config } = value
    const strategy = value.strategy ?? undefined
    if (type === 'append') {
      if (strategy !== undefined || config) {
        return fail(valueError("No strategy or config is accepted when write_disposition type is 'append'"))
      }
      return { type: 'append' }
    }
    if (type === 'replace') {
      if (config) return fail(valueError("Config is not accepted when write_disposition is 'replace'"))
      if (strategy !== undefined && !REPLACE_STRATEGIES.includes(strategy)) return fail(valueError('Invalid replace strategy'))
      return { type: 'replace' }
    }
    if (strategy !== undefined && !Object.hasOwn(NESTED_CONFIG, strategy)) return fail(valueError('Invalid merge strategy'))
    const merge = (strategy ?? 'delete-insert') as MergeStrategy
    for (const [other, name] of Object.entries(NESTED_CONFIG)) {
      if (other !== merge && config && Object.hasOwn(config, name) && config[name] !== null) {
        return fail(valueError(`Only ${NESTED_CONFIG[merge]} is accepted when merge_strategy is '${merge}'`))
      }
    }
    const nestedName = NESTED_CONFIG[merge]
    const nested = config && Object.hasOwn(config, nestedName) && config[nestedName] !== null
    const parsed = MERGE_CONFIGS[merge].safeParse((nested ? config[nestedName] : config) ?? {}, { error: wording })
    if (!parsed.success) {
      for (const { message, path } of parsed.error.issues) fail(message, ['config', ...(nested ? [nestedName] : []), ...path])
      return z.NEVER
    }
    return mergeMode(merge, parsed.data)
  })

type MergeConfig = z.output<typeof deleteInsertConfig> | z.output<typeof upsertConfig> | z.output<typeof scd2Config>

function mergeMode(strategy: MergeStrategy, config: MergeConfig): WriteMode {
  if (strategy === 'upsert') {
    const { primary_key, hard_delete_column } = config as z.output<typeof upsertConfig>
    return { type: 'upsert', key: columns(primary_key), ...(hard_delete_column ? { hardDelete: hard_delete_column } : {}) }
  }
  if (strategy === 'delete-insert') {
    const { primary_key, merge_key, hard_delete_column, dedup_sort_column } = config as z.output<typeof deleteInsertConfig>
    const sort = Object.entries(dedup_sort_column ?? {})[0]
    return {
      type: 'delete-insert',
      key: columns(primary_key),
      mergeKey: columns(merge_key),
      ...(hard_delete_column ? { hardDelete: hard_delete_column } : {}),
      ...(sort ? { sort: { column: sort[0], order: sort[1] } } : {}),
    }
  }
  const scd2 = config as z.output<typeof scd2Config>
  return {
    type: 'scd2',
    naturalKey: columns(scd2.natural_merge_key),
    partitionKey: columns(scd2.partition_merge_key),
    validFrom: scd2.validity_column_names[0] ?? 'valid_from',
    validTo: scd2.validity_column_names[1] ?? 'valid_to',
    activeRecord: timestampText(scd2.active_record_timestamp),
    boundary: timestampText(scd2.boundary_timestamp),
  }
}

/** Text form of a timestamp: a date alone means its midnight. */
function timestampText(text: string | null | undefined): string | null {
  const form = text ? textFormOfTime(text) : undefined
  if (!form) return null
  return form.length === 10 ? `${form} 00:00:00` : form
}

/** A key that was left out or is empty has no columns. */
function columns(key: string | string[] | null | undefined): string[] {
  const list = typeof key === 'string' ? [key] : (key ?? [])
  return [...new Set(list.filter((column) => column.trim() !== ''))]
}

function primaryKeyProblem(key: string | string[]): string | undefined {
  if (typeof key === 'string') return key.trim() ? undefined : 'Primary key must be provided'
  if (!key.length) return 'At least one primary key must be provided in the tuple'
  return key.every((column) => column.trim()) ? undefined : 'All primary keys in the tuple must be non-empty strings'
}
