// Variables with their types; long values fold.

import { useState } from 'preact/hooks';
import type { NamedVariable } from '../api/queries';
import { Empty } from '../ui/states';

/** Longer texts are folded. */
const SHORT = 160;
/** With fewer rows a search field is in the way. */
const SEARCH_FROM = 8;

export function VariableTable({ rows }: { rows: NamedVariable[] }) {
  const [search, setSearch] = useState('');
  if (rows.length === 0) return <Empty title="No variables" />;
  const wanted = search.toLowerCase();
  const found = rows.filter(({ name, value }) => !wanted || name.toLowerCase().includes(wanted) || text(value).toLowerCase().includes(wanted));
  found.sort((a, b) => a.name.localeCompare(b.name));
  return (
    <>
      {rows.length >= SEARCH_FROM && (
        <div class="filters panel-head">
          <input type="search" aria-label="Search variables" placeholder="Search variables" value={search} onInput={(event) => setSearch(event.currentTarget.value)} />
        </div>
      )}
      {found.length === 0 ? (
        <Empty title={`No variable fits “${search}”`} />
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label="Variables">
          <table class="cards variables">
            <caption class="visually-hidden">Variables</caption>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Type</th>
                <th scope="col">Value</th>
              </tr>
            </thead>
            <tbody>
              {found.map((row, index) => (
                <tr key={`${row.name} ${index}`}>
                  <th scope="row">
                    <code>{row.name}</code>
                  </th>
                  <td data-label="Type" class="muted">
                    {row.type}
                  </td>
                  <td data-label="Value">
                    <Value value={row.value} type={row.type} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Value({ value, type }: { value: unknown; type: string }) {
  if (value === null || value === undefined) return <span class="muted">{type === 'File' || type === 'Bytes' ? 'binary' : 'null'}</span>;
  const whole = pretty(value, type);
  if (whole.length <= SHORT && !whole.includes('\n')) return <code>{whole}</code>;
  return (
    <details>
      <summary>
        <code>{whole.replace(/\s+/g, ' ').slice(0, SHORT / 2)}…</code>
      </summary>
      <pre class="json" tabIndex={0}>
        {whole}
      </pre>
    </details>
  );
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** Json travels as text; a text that looks like JSON but is a String stays as it is. */
function pretty(value: unknown, type: string): string {
  if (typeof value === 'string' && (type === 'Json' || type === 'Object')) {
    try {
      return layOut(JSON.parse(value));
    } catch {
      return value;
    }
  }
  return typeof value === 'string' ? value : layOut(value);
}

function layOut(value: unknown): string {
  const flat = JSON.stringify(value) ?? '';
  return flat.length <= SHORT / 2 ? flat : JSON.stringify(value, null, 2);
}
