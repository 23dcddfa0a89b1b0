// Places, person, appearance.

import { signal } from '@preact/signals';
import { useLocation } from 'preact-iso';
import { session, signOut } from './api/session';
import { Mark } from './ui/mark';

/** A later place is one more line here and one more route. */
const PLACES = [
  { path: '/programme', home: '/', name: 'Programme' },
  { path: '/portal', home: '/portal', name: 'Tasks' },
  { path: '/console', home: '/console', name: 'Instances' },
];

type Scheme = 'system' | 'light' | 'dark';
const SCHEME_KEY = 'transhume.scheme';
const scheme = signal<Scheme>(stored());
apply(scheme.value);

export function Header() {
  const { path } = useLocation();
  const person = session.value;
  return (
    <header class="top">
      <a class="brand" href="/" aria-label="Transhume, start page">
        <Mark />
        <span>Transhume</span>
      </a>
      <nav aria-label="Places">
        <ul>
          {PLACES.map((place) => {
            const here = path.startsWith(place.path) || path === place.home;
            return (
              <li key={place.path}>
                <a href={place.home} aria-current={here ? 'page' : undefined}>
                  {place.name}
                </a>
              </li>
            );
          })}
        </ul>
      </nav>
      <button type="button" class="quiet person" popoverTarget="person-menu">
        <span class="initials" aria-hidden="true">
          {initials(person.name ?? person.user ?? '')}
        </span>
        <span class="person-name">{person.name ?? person.user}</span>
      </button>
      <div id="person-menu" popover="auto" class="menu" role="dialog" aria-label="You">
        <p class="menu-head">
          <strong>{person.name ?? person.user}</strong>
          <small>{person.groups.length > 0 ? person.groups.join(', ') : 'member of no group'}</small>
        </p>
        <fieldset class="choice">
          <legend>Appearance</legend>
          {(['system', 'light', 'dark'] as const).map((each) => (
            <label key={each}>
              <input type="radio" name="scheme" checked={scheme.value === each} onChange={() => choose(each)} />
              <span>{each === 'system' ? 'System' : each === 'light' ? 'Light' : 'Dark'}</span>
            </label>
          ))}
        </fieldset>
        <button type="button" onClick={() => void signOut()}>
          Sign out
        </button>
      </div>
    </header>
  );
}

function initials(name: string): string {
  const words = name.split(/[\s.\-_@]+/).filter(Boolean);
  return words
    .slice(0, 2)
    .map((word) => word[0]?.toUpperCase())
    .join('');
}

function stored(): Scheme {
  const value = localStorage.getItem(SCHEME_KEY);
  return value === 'light' || value === 'dark' ? value : 'system';
}

function choose(value: Scheme) {
  scheme.value = value;
  localStorage.setItem(SCHEME_KEY, value);
  apply(value);
}

function apply(value: Scheme) {
  if (value === 'system') delete document.documentElement.dataset.scheme;
  else document.documentElement.dataset.scheme = value;
}
