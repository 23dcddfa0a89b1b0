// The stages in their order, each with its share of servers.

import type { Stage } from '../api/types';
import { STATE_WORDS } from './words';
import { stateSign } from '../ui/badge';

export function StageStrip({ stages }: { stages: Stage[] }) {
  return (
    <ol class="strip" aria-label="Stages">
      {stages.map((stage) => {
        const share = stage.total > 0 ? (stage.done / stage.total) * 100 : 0;
        const broken = stage.total > 0 ? (stage.failed / stage.total) * 100 : 0;
        return (
          <li key={stage.id} data-state={stage.state}>
            <div class="strip-head">
              <span class="strip-name">{stage.name}</span>
              <span class="strip-sign" aria-hidden="true">
                {stateSign(stage.state)}
              </span>
            </div>
            <div class="bar" aria-hidden="true">
              <span class="bar-done" style={{ width: `${share}%` }} />
              <span class="bar-failed" style={{ width: `${broken}%` }} />
            </div>
            <div class="strip-facts">
              <span>
                {stage.done} of {stage.total}
                {stage.failed > 0 && <strong class="bad">, {stage.failed} failed</strong>}
              </span>
              <span>{STATE_WORDS[stage.state]}</span>
            </div>
          </li>
        );
      })}
    </ol>
  );
}
