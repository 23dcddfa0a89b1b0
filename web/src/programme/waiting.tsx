// What every token that stands still waits for.

import type { CellState, Waiting } from '../api/types';
import { stateSign } from '../ui/badge';
import { Empty } from '../ui/states';
import { between, milliseconds, age } from '../ui/time';

const KINDS: Record<Waiting['kind'], [CellState, string]> = {
  person: ['person', 'a person'],
  timer: ['waiting', 'a time'],
  message: ['waiting', 'a message'],
  job: ['running', 'work in progress'],
  incident: ['failed', 'a person, after a failure'],
};

/** More are in the list of instances. */
const SHOWN = 12;

export function WaitingList({ waiting, clock, ended }: { waiting: Waiting[]; clock: string; ended: boolean }) {
  return (
    <section class="panel" aria-labelledby="waiting-title">
      <div class="panel-head">
        <h2 id="waiting-title">What is waited for</h2>
        <small>{waiting.length}</small>
      </div>
      {waiting.length === 0 ? (
        <Empty title={ended ? 'The programme has ended' : 'Nothing stands still'} />
      ) : (
        <ul class="waiting">
          {waiting.slice(0, SHOWN).map((item) => {
            const [state, words] = KINDS[item.kind];
            const address = item.task
              ? `/portal/tasks/${encodeURIComponent(item.task)}`
              : `/console/instances/${encodeURIComponent(item.instance)}?element=${encodeURIComponent(item.element)}`;
            return (
              <li key={`${item.instance} ${item.element}`} data-state={state}>
                <span class="swatch" aria-hidden="true">
                  {stateSign(state)}
                </span>
                <div>
                  <a href={address}>{item.what}</a>
                  {item.count > 1 && <span class="muted"> × {item.count}</span>}
                  <p class="muted">
                    {words}
                    {item.who && `: ${item.who}`}, for {between(item.since, clock)}
                    {item.until && until(item.until, clock)}
                  </p>
                </div>
              </li>
            );
          })}
        </ul>
      )}
      {waiting.length > SHOWN && (
        <p class="panel-body muted">
          {waiting.length - SHOWN} more. <a href="/console?called=yes">See all running instances</a>
        </p>
      )}
    </section>
  );
}

function until(at: string, clock: string): string {
  const left = (milliseconds(at) - milliseconds(clock)) / 1000;
  return left < 0 ? `, overdue by ${age(left)}` : `, ${age(left)} to go`;
}
