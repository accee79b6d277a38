import { z } from 'zod'

/** All that ever enters the queue: "one worker may work on this execution". What to do is asked from its object. */
export const Task = z.object({
  executionId: z.string(),
  /** Place of the worker, 0 … TASKS_PER_EXECUTION - 1; a message that arrives twice does no harm. */
  slot: z.number().int().nonnegative(),
})
export type Task = z.output<typeof Task>
