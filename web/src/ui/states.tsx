// What a part shows when it has nothing to show: not yet, not at all, or not because of an error.

import type { ComponentChildren } from 'preact';
import { Unreachable } from '../api/client';

export function Loading({ what }: { what: string }) {
  return (
    <p class="loading" role="status">
      <span class="spinner" aria-hidden="true" /> Loading {what}…
    </p>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Failed({ title, error, retry }: { title: string; error: Error; retry?: () => void }) {
  return (
    <div class="failed" role="alert">
      <p class="failed-title">{title}</p>
      <p>{error.message}</p>
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

interface Asked<Data> {
  data: Data | undefined;
  error: Error | null;
  failureReason?: Error | null;
  refetch: () => unknown;
}

/** The answer of a query once it is there. An old answer stays in sight while a new one is fetched or fails. */
export function Answer<Data>({ of, what, children }: { of: Asked<Data>; what: string; children: (data: Data) => ComponentChildren }) {
  if (of.data !== undefined) return <>{children(of.data)}</>;
  if (of.error) return <Failed title={`No ${what} to show`} error={of.error} retry={() => void of.refetch()} />;
  if (of.failureReason instanceof Unreachable) return <Loading what={`${what}, as soon as the server answers`} />;
  return <Loading what={what} />;
}
