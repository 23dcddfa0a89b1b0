// The demo's own line: its clock, how fast it runs, and a pause.

import { useMutation, useQueryClient } from '@tanstack/preact-query';
import { patch } from '../api/client';
import { useDemo } from '../api/queries';
import type { Demo } from '../api/types';
import { between, milliseconds } from '../ui/time';
import { say } from '../ui/toast';
import './demo.css';

const SPEEDS: [Demo['speed'], string][] = [
  [1, 'real time'],
  [60, '1 min per second'],
  [600, '10 min per second'],
  [1800, '30 min per second'],
  [3600, '1 h per second'],
  ['max', 'as fast as it can'],
];

const CLOCK = new Intl.DateTimeFormat(undefined, { weekday: 'short', hour: '2-digit', minute: '2-digit', timeZoneName: 'short' });

export function DemoBanner() {
  const demo = useDemo(true);
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: (body: { speed?: Demo['speed']; paused?: boolean }) => patch<Demo>('/api/demo', body),
    onSuccess: (answer) => queries.setQueryData(['demo'], answer),
    onError: (error) => say(error.message),
  });
  if (!demo.data) return null;
  const { clock, startedAt, speed, paused, ended, sequence } = demo.data;
  const known = SPEEDS.some(([each]) => each === speed);
  return (
    <section class="demo" aria-label="Demo">
      <strong>Demo</strong>
      <span class="demo-clock">
        <time dateTime={new Date(milliseconds(clock)).toISOString()}>{CLOCK.format(milliseconds(clock))}</time>
        <span class="demo-elapsed">{between(startedAt, clock)} since the start</span>
      </span>
      <span class="demo-order">{sequence === 'paper' ? 'everything in sequence, as in the paper' : 'in parallel where the models allow'}</span>
      {ended ? (
        <span class="demo-tools">The demo has ended.</span>
      ) : (
        <span class="demo-tools">
          <label class="row">
            <span>Speed</span>
            <select
              value={String(speed)}
              disabled={change.isPending}
              onChange={(event) => change.mutate({ speed: event.currentTarget.value === 'max' ? 'max' : Number(event.currentTarget.value) })}
            >
              {!known && <option value={String(speed)}>{speed} ×</option>}
              {SPEEDS.map(([each, text]) => (
                <option key={each} value={String(each)}>
                  {text}
                </option>
              ))}
            </select>
          </label>
          <button type="button" disabled={change.isPending} onClick={() => change.mutate({ paused: !paused })}>
            {paused ? 'Go on' : 'Pause'}
          </button>
        </span>
      )}
    </section>
  );
}
