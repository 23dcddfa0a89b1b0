// A state in words on its colour, with a sign so that colour is never alone.

import type { CellState } from '../api/types';

const SIGNS: Record<CellState, string> = { pending: '·', running: '▸', waiting: '◷', person: '●', done: '✓', failed: '▲', skipped: '–' };

export const stateSign = (state: CellState) => SIGNS[state];

export function Badge({ state, children }: { state: CellState; children: string }) {
  return (
    <span class="badge" data-state={state}>
      <span aria-hidden="true">{SIGNS[state]}</span>
      {children}
    </span>
  );
}
