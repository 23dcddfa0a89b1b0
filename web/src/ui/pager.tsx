// Which rows of how many, and the way to the next ones.

import { ROWS } from '../api/queries';

export function Pager({ what, page, count, set }: { what: string; page: number; count: number; set: (page: number) => void }) {
  if (count <= ROWS && page === 0) return <p class="pager muted">{count === 1 ? `1 ${what}` : `${count} ${what}s`}</p>;
  const from = page * ROWS + 1;
  const to = Math.min(count, (page + 1) * ROWS);
  return (
    <nav class="pager row" aria-label="Pages">
      <span class="muted">
        {from}–{to} of {count} {what}s
      </span>
      <button type="button" class="small" disabled={page === 0} onClick={() => set(page - 1)}>
        Previous
      </button>
      <button type="button" class="small" disabled={to >= count} onClick={() => set(page + 1)}>
        Next
      </button>
    </nav>
  );
}
