// Tabs after the ARIA authoring practices: arrow keys, Home and End move between them.

import type { ComponentChildren } from 'preact';
import type { CellState } from '../api/types';

interface TabsProps<Id extends string> {
  label: string;
  value: Id;
  set: (id: Id) => void;
  tabs: { id: Id; name: string; count?: number | undefined; state?: CellState | undefined }[];
  children: ComponentChildren;
}

export function Tabs<Id extends string>({ label, value, set, tabs, children }: TabsProps<Id>) {
  const onKeyDown = (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    const at = tabs.findIndex(({ id }) => id === value);
    const to = { ArrowRight: (at + 1) % tabs.length, ArrowLeft: (at + tabs.length - 1) % tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    const tab = to === undefined ? undefined : tabs[to];
    if (to === undefined || !tab) return;
    event.preventDefault();
    set(tab.id);
    event.currentTarget.querySelectorAll<HTMLElement>('[role=tab]')[to]?.focus();
  };
  return (
    <>
      <div class="tabs" role="tablist" aria-label={label} onKeyDown={onKeyDown}>
        {tabs.map(({ id, name, count, state }) => (
          <button
            key={id}
            type="button"
            role="tab"
            id={`tab-${id}`}
            aria-selected={id === value}
            aria-controls="tab-panel"
            tabIndex={id === value ? 0 : -1}
            onClick={() => set(id)}
          >
            {name}
            {count !== undefined && (
              <span class="count" data-state={state}>
                {count}
              </span>
            )}
          </button>
        ))}
      </div>
      <div role="tabpanel" id="tab-panel" aria-labelledby={`tab-${value}`}>
        {children}
      </div>
    </>
  );
}
