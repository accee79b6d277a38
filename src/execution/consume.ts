import { faultOf } from '../core/errors.ts'
import { type Env, readSettings } from '../env.ts'
import { HANDS_PER_WORKER, PLACE_TTL_MS, PLACE_WAIT_MS, TASK_TURN_MS, TASKS_PER_DESTINATION, TASKS_PER_SOURCE } from '../limits.ts'
import type { LoadCommand } from '../operations/operations.ts'
import { log } from '../platform/log.ts'
import { secretBox } from '../platform/secrets.ts'
import { Ends } from './ends.ts'
import { gate } from './gate-object.ts'
import { type Admission, type ExecutionHandle, executionHandle } from './handle.ts'
import { runStep } from './run-step.ts'
import { openCommand } from './sealed-command.ts'
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

interface Worker {
  env: Env
  task: Task
  handle: ExecutionHandle
  admission: Admission
  command: LoadCommand
  untilMs: number
}

async function work(task: Task, env: Env): Promise<void> {
  const handle = executionHandle(env, task.executionId)
  const admission = await handle.enter(task.slot)
  if (!admission) return
  const command = await openCommand(secretBox(readSettings(env).MASTER_KEYS), admission.sealedCommand, task.executionId)
  const worker = { env, task, handle, admission, command, untilMs: Date.now() + TASK_TURN_MS }
  const hands: Promise<void>[] = []
  // A second hand joins as soon as there are chunks to copy; it must not wait for another delivery.
  const join = () => {
    if (hands.length < HANDS_PER_WORKER) hands.push(takeSteps(worker, hands.length, join))
  }
  join()
  try {
    for (let hand = 0; hand < hands.length; hand++) await hands[hand]
  } finally {
    await Promise.allSettled(hands)
    await handle.leave(task.slot)
  }
}

async function takeSteps(worker: Worker, hand: number, join: () => void): Promise<void> {
  const { env, task, handle } = worker
  const settings = readSettings(env)
  const ends = new Ends(worker.command, settings.PRIVATE_ADDRESSES, settings.IDLE_TIMEOUT_MS)
  const name = `${task.executionId} ${task.slot} ${hand}`
  const places = [
    { gate: gate(env, `source ${ends.source.system} ${ends.source.address}`), capacity: TASKS_PER_SOURCE },
    { gate: gate(env, `destination ${ends.destination.system} ${ends.destination.address}`), capacity: TASKS_PER_DESTINATION },
  ]
  // Always in this order, so that two hands never wait for each other's places.
  const keepPlaces = async (waitMs: number) => {
    for (const place of places) if ((await place.gate.acquire(name, place.capacity, PLACE_TTL_MS, waitMs)) === null) return false
    return true
  }
  try {
    if (!(await keepPlaces(hand === 0 ? PLACE_WAIT_MS : 0))) return
    const context = { ...worker, settings, ends, executionId: task.executionId, keepPlaces: () => keepPlaces(0) }
    while (Date.now() < worker.untilMs) {
      const assignment = await handle.claim(task.slot)
      if (!assignment) return
      if (assignment.work.kind === 'copy') join()
      await runStep(context, assignment)
    }
  } finally {
    await ends.close()
    await Promise.all(places.map((place) => place.gate.release(name)))
  }
}
