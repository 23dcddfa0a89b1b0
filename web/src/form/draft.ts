// What was typed into a form and not yet sent, kept in this browser.

import type { Values } from './values';

interface Draft {
  at: number;
  values: Values;
}

const PREFIX = 'transhume.draft.';

/** Forms that were sent: what they still hold when they leave the page is no draft. */
const sent = new Set<string>();

export function readDraft(key: string): Draft | null {
  sent.delete(key);
  try {
    const draft = JSON.parse(localStorage.getItem(PREFIX + key) ?? 'null') as Draft | null;
    return draft && typeof draft.at === 'number' && draft.values ? draft : null;
  } catch {
    return null;
  }
}

export function keepDraft(key: string, values: Values) {
  if (sent.has(key)) return;
  try {
    localStorage.setItem(PREFIX + key, JSON.stringify({ at: Date.now(), values }));
  } catch {
    // The store is full or forbidden: the form itself still holds the values.
  }
}

/** After the form was sent. */
export function closeDraft(key: string) {
  sent.add(key);
  dropDraft(key);
}

export function dropDraft(key: string) {
  localStorage.removeItem(PREFIX + key);
}
