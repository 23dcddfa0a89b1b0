import type { Task } from '../api/types';
import { milliseconds } from '../ui/time';

export type Urgency = 'overdue' | 'today' | 'later' | 'none';

const DAY_MS = 24 * 3600 * 1000;

/** How soon a task is due. "Today" means within a day: the demo's clock has no zone of its own. */
export function urgency(task: Pick<Task, 'due'>, now: number): Urgency {
  if (!task.due) return 'none';
  const left = milliseconds(task.due) - now;
  if (left < 0) return 'overdue';
  return left <= DAY_MS ? 'today' : 'later';
}
