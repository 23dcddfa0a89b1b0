// Variables as rows, where a model names no form. Only rows that were changed or added are sent.

import { useEffect, useState } from 'preact/hooks';
import type { Values } from './values';

interface VariableFormProps {
  initial: Values;
  locked: boolean;
  /** What would be sent; null while a row is wrong. */
  change: (values: Values | null) => void;
}

type Kind = 'text' | 'number' | 'yes or no' | 'JSON';

interface Row {
  id: number;
  name: string;
  kind: Kind;
  text: string;
  /** The text it came with; null for a row that was added. */
  was: string | null;
}

let rows = 0;

export function VariableForm({ initial, locked, change }: VariableFormProps) {
  const [all, setAll] = useState<Row[]>(() => Object.entries(initial).map(([name, value]) => toRow(name, value)));
  useEffect(() => change(toSend(all)), [all]);
  const edit = (id: number, changed: Partial<Row>) => setAll((before) => before.map((row) => (row.id === id ? { ...row, ...changed } : row)));
  return (
    <fieldset class="variable-form" disabled={locked}>
      <legend class="visually-hidden">Variables</legend>
      {all.length === 0 && <p class="muted">This step has no form and no variables yet. Add one if the process needs it.</p>}
      {all.map((row) => (
        <div key={row.id} class="variable-row">
          {row.was === null ? (
            <>
              <input aria-label="Name of the variable" placeholder="name" value={row.name} spellcheck={false} onInput={(event) => edit(row.id, { name: event.currentTarget.value })} />
              <select aria-label={`Kind of ${row.name || 'the variable'}`} value={row.kind} onChange={(event) => edit(row.id, { kind: event.currentTarget.value as Kind, text: '' })}>
                <option>text</option>
                <option>number</option>
                <option>yes or no</option>
                <option>JSON</option>
              </select>
            </>
          ) : (
            <span class="variable-name">
              <code>{row.name}</code>
            </span>
          )}
          <Entry row={row} set={(text) => edit(row.id, { text })} />
          {row.was === null && (
            <button type="button" class="small" onClick={() => setAll((before) => before.filter(({ id }) => id !== row.id))}>
              Remove<span class="visually-hidden"> {row.name || 'variable'}</span>
            </button>
          )}
          {wrong(row) && <span class="variable-wrong">{wrong(row)}</span>}
        </div>
      ))}
      <button type="button" class="small" onClick={() => setAll((before) => [...before, { id: ++rows, name: '', kind: 'text', text: '', was: null }])}>
        Add a variable
      </button>
    </fieldset>
  );
}

function Entry({ row, set }: { row: Row; set: (text: string) => void }) {
  const label = `Value of ${row.name || 'the variable'}`;
  switch (row.kind) {
    case 'yes or no':
      return (
        <select aria-label={label} value={row.text} onChange={(event) => set(event.currentTarget.value)}>
          <option value="">–</option>
          <option value="true">yes</option>
          <option value="false">no</option>
        </select>
      );
    case 'JSON':
      return <textarea aria-label={label} rows={Math.min(8, row.text.split('\n').length)} value={row.text} spellcheck={false} onInput={(event) => set(event.currentTarget.value)} />;
    case 'number':
      return <input aria-label={label} inputmode="decimal" value={row.text} onInput={(event) => set(event.currentTarget.value)} />;
    case 'text':
      return <input aria-label={label} value={row.text} onInput={(event) => set(event.currentTarget.value)} />;
  }
}

function toRow(name: string, value: unknown): Row {
  const kind: Kind = typeof value === 'boolean' ? 'yes or no' : typeof value === 'number' ? 'number' : typeof value === 'object' && value !== null ? 'JSON' : 'text';
  const text = kind === 'JSON' ? JSON.stringify(value, null, 2) : value === null || value === undefined ? '' : String(value);
  return { id: ++rows, name, kind, text, was: text };
}

function wrong(row: Row): string | null {
  if (row.was === null && !row.name.trim()) return row.text ? 'Give it a name.' : null;
  if (row.kind === 'number' && row.text.trim() && !Number.isFinite(Number(row.text))) return 'Not a number.';
  if (row.kind === 'JSON' && row.text.trim()) {
    try {
      JSON.parse(row.text);
    } catch {
      return 'Not valid JSON.';
    }
  }
  return null;
}

function toSend(all: Row[]): Values | null {
  if (all.some((row) => wrong(row))) return null;
  const changed = all.filter((row) => (row.was === null ? row.name.trim() : row.text !== row.was));
  return Object.fromEntries(changed.map((row) => [row.name.trim(), value(row)]));
}

function value({ kind, text }: Row): unknown {
  if (kind === 'text') return text;
  if (!text.trim()) return null;
  return kind === 'number' ? Number(text) : JSON.parse(text);
}
