// Who sits in front of the page.

import { signal } from '@preact/signals';
import { get, post, remove, resumeAfterSignIn } from './client';
import type { Info, Session, Setup } from './types';

const NOBODY: Session = { user: null, name: null, groups: [], tenants: [] };

export const session = signal<Session>(NOBODY);
export const info = signal<Info | null>(null);

/** Asks the server what it is and who is signed in; exchanges a one-time token that came in the address. */
export async function arrive(): Promise<void> {
  info.value = await get<Info>('/api/info');
  const address = new URL(location.href);
  const token = address.searchParams.get('token');
  if (token && !info.value.setupNeeded) {
    address.searchParams.delete('token');
    // A token in the history would be found by the next person at this screen.
    history.replaceState(null, '', address);
    try {
      session.value = complete(await post<Session>('/api/session', { token }));
      return;
    } catch {
      // Used before, or expired: a session may still be there, else the sign-in page follows.
    }
  }
  session.value = complete(await get<Session>('/api/session'));
}

export async function signIn(user: string, password: string): Promise<void> {
  const answer = complete(await post<Session>('/api/session', { user, password }));
  session.value = answer.user ? answer : complete(await get<Session>('/api/session'));
  resumeAfterSignIn();
}

export async function setUp(setup: Setup): Promise<void> {
  await post('/api/setup', setup);
  info.value = await get<Info>('/api/info');
  session.value = complete(await get<Session>('/api/session'));
}

export async function signOut(): Promise<void> {
  await remove('/api/session');
  session.value = NOBODY;
}

function complete(answer: Partial<Session> | undefined): Session {
  return { ...NOBODY, ...answer };
}
