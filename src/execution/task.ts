import { z } from 'zod'

/** All that ever enters the queue: "one worker may work on this execution". What to do is asked from its object. */
export const Task = z.object({
  executionId: z.string(),
  /** Number of the worker within the execution; a message that arrives twice does no harm. */
  slot: z.number().int().nonnegative(),
})
export type Task = z.output<typeof Task>
