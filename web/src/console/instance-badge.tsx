// The state of an instance in the words and colours of the screens.

import type { CellState, HistoricInstance } from '../api/types';
import { Badge } from '../ui/badge';

export function InstanceBadge({ instance, incidents }: { instance: HistoricInstance; incidents: number }) {
  const [state, text] = stateOf(instance, incidents);
  return <Badge state={state}>{text}</Badge>;
}

/** An open incident outweighs all but the end. */
function stateOf(instance: Pick<HistoricInstance, 'state'>, incidents: number): [CellState, string] {
  switch (instance.state) {
    case 'COMPLETED':
      return ['done', 'Completed'];
    case 'EXTERNALLY_TERMINATED':
      return ['skipped', 'Cancelled'];
    case 'INTERNALLY_TERMINATED':
      return ['skipped', 'Ended by its caller'];
    case 'SUSPENDED':
      return ['waiting', incidents > 0 ? `Suspended, ${plural(incidents)}` : 'Suspended'];
    case 'ACTIVE':
      return incidents > 0 ? ['failed', plural(incidents)] : ['running', 'Running'];
  }
}

function plural(incidents: number): string {
  return incidents === 1 ? '1 incident' : `${incidents} incidents`;
}
