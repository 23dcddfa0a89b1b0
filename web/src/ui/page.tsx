// A screen: its title in the window and as heading, and the focus on it when one comes from another screen.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

interface PageProps {
  title: string;
  /** Above the title: where this belongs. */
  trail?: ComponentChildren;
  /** Beside the title. */
  badge?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

/** The first screen after loading leaves the focus where the browser put it; the one after a sign-in takes it. */
let first = true;

export function enterFromSignIn() {
  first = false;
}

export function Page({ title, trail, badge, actions, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Transhume`;
  }, [title]);
  useEffect(() => {
    if (!first) heading.current?.focus({ preventScroll: false });
    first = false;
  }, []);
  return (
    <main class="page">
      {trail && (
        <nav class="trail" aria-label="Breadcrumb">
          {trail}
        </nav>
      )}
      <div class="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {badge}
        {actions && <div class="page-actions">{actions}</div>}
      </div>
      {children}
    </main>
  );
}
