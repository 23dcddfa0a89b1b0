// One way to the server: JSON over fetch, with the token against forged requests, errors as values of one class, and a
// wait for sign-in where the session has ended.

import { signal } from '@preact/signals';
import type { Problem } from './types';

/** False while the server cannot be reached; the shell shows a banner. */
export const reachable = signal(true);

/** True while a request waits until somebody signs in again; the shell shows a dialog. */
export const signInWanted = signal(false);

/** The server refused: `message` is its own, made for people. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(problem.message);
  }
}

/** No answer, or one that says "later". */
export class Unreachable extends Error {
  constructor() {
    super('The server does not answer.');
  }
}

let signedIn: Array<() => void> = [];

/** Lets every request that waited for sign-in go on. */
export function resumeAfterSignIn() {
  signInWanted.value = false;
  const waiting = signedIn;
  signedIn = [];
  for (const resume of waiting) resume();
}

export const get = <T>(path: string) => request<T>('GET', path);
export const post = <T>(path: string, body?: unknown) => request<T>('POST', path, body);
export const put = <T>(path: string, body?: unknown) => request<T>('PUT', path, body);
export const patch = <T>(path: string, body?: unknown) => request<T>('PATCH', path, body);
export const remove = <T>(path: string) => request<T>('DELETE', path);

/** `path` with the parameters that have a value. */
export function withQuery(path: string, parameters: Record<string, string | number | boolean | null | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  for (;;) {
    const answer = await send(method, path, body);
    if (answer.status === 401 && !path.startsWith('/api/session') && !path.startsWith('/api/setup')) {
      signInWanted.value = true;
      await new Promise<void>((resume) => signedIn.push(resume));
      continue;
    }
    if (answer.ok) return answer.status === 204 ? (undefined as T) : ((await answer.json()) as T);
    throw new Refused(answer.status, await problem(answer));
  }
}

async function send(method: string, path: string, body: unknown): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET') headers['x-xsrf-token'] = cookie('XSRF-TOKEN') ?? '';
  let answer: Response;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body), credentials: 'same-origin' });
  } catch {
    reachable.value = false;
    throw new Unreachable();
  }
  if (answer.status === 502 || answer.status === 503 || answer.status === 504) {
    reachable.value = false;
    throw new Unreachable();
  }
  reachable.value = true;
  return answer;
}

async function problem(answer: Response): Promise<Problem> {
  try {
    const body = (await answer.json()) as Problem;
    if (typeof body.message === 'string') return body;
  } catch {
    // Not JSON: something before the server answered.
  }
  return { type: 'Unknown', message: `The server answered ${answer.status} ${answer.statusText}.`.replace(' .', '.'), code: null };
}

/** The session's cookie names may carry the prefix that TLS asks for. */
function cookie(name: string): string | null {
  for (const part of document.cookie.split('; ')) {
    const [key, ...value] = part.split('=');
    if (key === name || key === `__Host-${name}`) return decodeURIComponent(value.join('='));
  }
  return null;
}
