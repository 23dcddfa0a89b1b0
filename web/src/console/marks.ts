// From the engine's answers to the marks on a diagram.

import type { ActivityInstance, HistoricActivity, Incident } from '../api/types';
import type { Mark } from '../diagram/viewer';

/** The body of a multi-instance activity has the activity's id and this ending. */
export const elementOf = (activityId: string) => activityId.replace(/#multiInstanceBody$/, '');

export function marksOf(tree: ActivityInstance | undefined, history: HistoricActivity[], incidents: Incident[]): ReadonlyMap<string, Mark> {
  const marks = new Map<string, Mark>();
  const at = (id: string) => {
    const element = elementOf(id);
    const known = marks.get(element) ?? { tokens: 0, incidents: 0, done: 0 };
    marks.set(element, known);
    return known;
  };
  const open = tree ? [...tree.childActivityInstances] : [];
  for (const transition of tree?.childTransitionInstances ?? []) at(transition.activityId).tokens += 1;
  for (let node = open.pop(); node; node = open.pop()) {
    const inside = [...node.childActivityInstances, ...node.childTransitionInstances];
    // A scope with something inside is where its children are.
    if (inside.length === 0) at(node.activityId).tokens += 1;
    for (const transition of node.childTransitionInstances) at(transition.activityId).tokens += 1;
    open.push(...node.childActivityInstances);
  }
  for (const incident of incidents) at(incident.failedActivityId ?? incident.activityId).incidents += 1;
  for (const row of history) {
    if (row.endTime && !row.canceled && !row.activityId.endsWith('#multiInstanceBody')) at(row.activityId).done += 1;
  }
  return marks;
}
