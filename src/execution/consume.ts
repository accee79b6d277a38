import { faultOf } from '../core/errors.ts'
import { type Env, readSettings } from '../env.ts'
import { PLACE_TTL_MS, PLACE_WAIT_MS, TASK_TURN_MS, TASKS_PER_DESTINATION, TASKS_PER_SOURCE } from '../limits.ts'
import type { LoadCommand } from '../operations/operations.ts'
import { log } from '../platform/log.ts'
import { secretBox } from '../platform/secrets.ts'
import { Ends } from './ends.ts'
import { gate } from './gate-object.ts'
import { executionHandle } from './handle.ts'
import { runStep } from './run-step.ts'
import { Task } from './task.ts'

/**
 * One delivery from the queue: each message is a worker that takes steps from one execution until none is left or its
 * turn is over. Messages are always acknowledged: what was not done is still in the ledger, which sends it again.
 */
export async function consume(batch: MessageBatch<unknown>, env: Env): Promise<void> {
  await Promise.all(
    batch.messages.map(async (message) => {
      const task = Task.safeParse(message.body)
      try {
        if (task.success) await work(task.data, env)
        else log('a queue message is not a task', { id: message.id })
      } catch (error) {
        log('worker stopped', { executionId: task.data?.executionId ?? null, reason: String(error), tag: faultOf(error).tag })
      } finally {
        message.ack()
      }
    }),
  )
}

async function work(task: Task, env: Env): Promise<void> {
  const handle = executionHandle(env, task.executionId)
  const admission = await handle.enter(task.slot)
  if (!admission) return
  const settings = readSettings(env)
  const command = JSON.parse(await secretBox(settings.MASTER_KEYS).open(admission.sealedCommand, task.executionId)) as LoadCommand
  const ends = new Ends(command, settings.PRIVATE_ADDRESSES)
  const name = `${task.executionId} ${task.slot}`
  const places = [
    { gate: gate(env, `source ${ends.source.system} ${ends.source.address}`), capacity: TASKS_PER_SOURCE },
    { gate: gate(env, `destination ${ends.destination.system} ${ends.destination.address}`), capacity: TASKS_PER_DESTINATION },
  ]
  // Always in this order, so that two workers never wait for each other's places.
  const keepPlaces = async (waitMs: number) => {
    for (const place of places) if ((await place.gate.acquire(name, place.capacity, PLACE_TTL_MS, waitMs)) === null) return false
    return true
  }
  const untilMs = Date.now() + TASK_TURN_MS
  try {
    if (!(await keepPlaces(PLACE_WAIT_MS))) return
    const context = { env, settings, handle, ends, command, admission, executionId: task.executionId, keepPlaces: () => keepPlaces(0) }
    while (Date.now() < untilMs) {
      const assignment = await handle.claim(task.slot)
      if (!assignment) break
      await runStep(context, assignment)
    }
  } finally {
    await ends.close()
    await Promise.all(places.map((place) => place.gate.release(name)))
    await handle.leave(task.slot)
  }
}
