// Times and spans in words, with the exact instant behind them.

import type { Instant } from '../api/types';

const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });

/** `2026-11-22T08:00:00.000+0000` has no colon in its zone, which not every reader takes. */
export function milliseconds(instant: Instant): number {
  return Date.parse(instant.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'));
}

export function Time({ at }: { at: Instant | null | undefined }) {
  if (!at) return <span class="muted">–</span>;
  const date = new Date(milliseconds(at));
  return (
    <time dateTime={date.toISOString()} title={FULL.format(date)}>
      {DAY.format(date)}
    </time>
  );
}

/** `26h10m`, `4m`, `12s`: two units at most, as the paper's tables have them. */
export function span(seconds: number): string {
  const whole = Math.round(Math.abs(seconds));
  if (whole < 60) return `${whole}s`;
  const minutes = Math.round(whole / 60);
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  if (hours === 0) return `${rest}m`;
  return `${hours}h${String(rest).padStart(2, '0')}m`;
}

/** From here on nobody counts hours. */
const DAYS_FROM_HOURS = 72;

/** As `span`, but long ones in days: how long something waits. */
export function age(seconds: number): string {
  const hours = Math.floor(Math.abs(seconds) / 3600);
  if (hours < DAYS_FROM_HOURS) return span(seconds);
  return `${Math.floor(hours / 24)}d${String(hours % 24).padStart(2, '0')}h`;
}

/** How long from one instant to another. */
export function between(from: Instant, to: Instant): string {
  return age((milliseconds(to) - milliseconds(from)) / 1000);
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

/** A moment of this machine's clock, today. */
export function clock(at: number): string {
  return CLOCK.format(at);
}
