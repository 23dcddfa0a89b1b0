// State of a view that lives in its address, so that a link, reload and Back restore it.

import { useLocation } from 'preact-iso';

/** Parameters of the address, and a way to change some of them. An empty value leaves the address. */
export function useParameters<Names extends string>(defaults: Record<Names, string>): [Record<Names, string>, (change: Partial<Record<Names, string>>) => void] {
  const { query, path, route } = useLocation();
  const values = { ...defaults };
  for (const name of Object.keys(defaults) as Names[]) values[name] = query[name] ?? defaults[name];
  const change = (changed: Partial<Record<Names, string>>) => {
    // From the window: two changes may follow each other before the screen is drawn again.
    const next = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changed) as [Names, string][]) {
      if (value === defaults[name]) next.delete(name);
      else next.set(name, value);
    }
    const text = next.toString();
    route(text ? `${path}?${text}` : path, true);
  };
  return [values, change];
}
