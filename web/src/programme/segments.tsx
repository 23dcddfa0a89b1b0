// Segments of the run beside those of the paper.

import type { Segment } from '../api/types';
import { span } from '../ui/time';

const OCCURRENCES = { once: 'once', repeat: 'each wave' } as const;

export function SegmentTable({ segments, notes }: { segments: Segment[]; notes: string[] }) {
  if (segments.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="segments-title">
      <div class="panel-head">
        <h2 id="segments-title">Segments beside Table IV</h2>
      </div>
      <table class="segments">
          <caption class="visually-hidden">Time of each segment, measured here and stated in the paper</caption>
          <thead>
            <tr>
              <th scope="col">Segment</th>
              <th scope="col" class="number">
                Here
              </th>
              <th scope="col" class="number">
                Paper
              </th>
            </tr>
          </thead>
          <tbody>
            {segments.map((segment) => (
              <tr key={segment.id} class={segment.id === 'total' ? 'total' : undefined}>
                <th scope="row">
                  {segment.name}
                  {segment.occurrence && <small class="muted"> {OCCURRENCES[segment.occurrence]}</small>}
                </th>
                <td class="number">
                  {segment.measured === null ? <span class="muted">–</span> : span(segment.measured)}
                  {segment.measured !== null && !segment.final && <small class="muted"> so far</small>}
                </td>
                <td class="number">{segment.paper === null ? <span class="muted">–</span> : span(segment.paper)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      {notes.map((note) => (
        <p key={note} class="panel-note muted">
          {note}
        </p>
      ))}
    </section>
  );
}
