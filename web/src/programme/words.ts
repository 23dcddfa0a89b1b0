import type { CellState } from '../api/types';

export const STATE_WORDS: Record<CellState, string> = {
  pending: 'not yet',
  running: 'running',
  waiting: 'waiting',
  person: 'needs a person',
  done: 'done',
  failed: 'failed',
  skipped: 'not needed',
};
