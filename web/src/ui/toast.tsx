// Results of actions, said once in a polite region at the bottom left: the bottom right belongs to the bpmn.io mark.

import { signal } from '@preact/signals';

interface Said {
  id: number;
  text: string;
}

const said = signal<Said[]>([]);
const SECONDS = 6;
let last = 0;

export function say(text: string) {
  const id = ++last;
  said.value = [...said.value, { id, text }].slice(-3);
  setTimeout(() => (said.value = said.value.filter((each) => each.id !== id)), SECONDS * 1000);
}

export function Announcements() {
  return (
    <div class="toasts" role="status">
      {said.value.map(({ id, text }) => (
        <p key={id} class="toast">
          {text}
        </p>
      ))}
    </div>
  );
}
