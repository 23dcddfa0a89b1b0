// Sign-in and first set-up.

import { useEffect, useState } from 'preact/hooks';
import { Refused } from './api/client';
import { session, setUp, signIn } from './api/session';
import { Dialog } from './ui/dialog';
import { Mark } from './ui/mark';
import { enterFromSignIn } from './ui/page';

export function SignInPage() {
  useEffect(enterFromSignIn, []);
  return (
    <main class="entrance">
      <Brand />
      <h1>Sign in</h1>
      <SignInForm user="" />
    </main>
  );
}

/** Over the page when a session ends: what was typed stays, and what was asked is repeated. */
export function SignInDialog() {
  return (
    <Dialog title="Your session has ended">
      <p>Sign in again to go on where you were. Nothing you typed is lost.</p>
      <SignInForm user={session.value.user ?? ''} />
    </Dialog>
  );
}

function SignInForm({ user: known }: { user: string }) {
  const [user, setUser] = useState(known);
  const [password, setPassword] = useState('');
  const { busy, trouble, run } = useAttempt();
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void run(() => signIn(user, password), 'The name or the password is not right.');
      }}
    >
      <Field label="User" name="username" value={user} set={setUser} autofocus={!known} />
      <Field label="Password" name="current-password" type="password" value={password} set={setPassword} autofocus={Boolean(known)} />
      <Trouble text={trouble} />
      <button type="submit" class="primary" disabled={busy}>
        {busy ? 'Signing in…' : 'Sign in'}
      </button>
    </form>
  );
}

export function SetUpPage() {
  useEffect(enterFromSignIn, []);
  const [token, setToken] = useState(() => new URL(location.href).searchParams.get('token') ?? '');
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const { busy, trouble, run } = useAttempt();
  return (
    <main class="entrance">
      <Brand />
      <h1>Set up this server</h1>
      <p>
        The server printed a one-time token when it started. Whoever has it makes the first administrator.
      </p>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void run(() => setUp({ token: token.trim(), user, password }), 'This token is not the one the server printed.');
        }}
      >
        <Field label="Set-up token" name="one-time-code" value={token} set={setToken} autofocus={!token} />
        <Field label="Administrator's user name" name="username" value={user} set={setUser} autofocus={Boolean(token)} />
        <Field label="Password" name="new-password" type="password" value={password} set={setPassword} />
        <Trouble text={trouble} />
        <button type="submit" class="primary" disabled={busy}>
          {busy ? 'Setting up…' : 'Create administrator'}
        </button>
      </form>
    </main>
  );
}

function Brand() {
  return (
    <p class="brand">
      <Mark />
      <span>Transhume</span>
    </p>
  );
}

interface FieldProps {
  label: string;
  /** The browser's word for it, so that password managers know. */
  name: string;
  type?: string;
  value: string;
  set: (value: string) => void;
  autofocus?: boolean;
}

function Field({ label, name, type = 'text', value, set, autofocus = false }: FieldProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        name={name}
        type={type}
        autocomplete={name}
        autocapitalize="none"
        spellcheck={false}
        required
        autofocus={autofocus}
        value={value}
        onInput={(event) => set(event.currentTarget.value)}
      />
    </label>
  );
}

function Trouble({ text }: { text: string | null }) {
  return (
    <p role="alert" class="trouble" hidden={!text}>
      {text}
    </p>
  );
}

/** One attempt at a time, and what went wrong with the last one. A 401 has the words of the form. */
function useAttempt() {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  const run = async (attempt: () => Promise<void>, unauthorized: string) => {
    setBusy(true);
    setTrouble(null);
    try {
      await attempt();
    } catch (error) {
      setTrouble(error instanceof Refused && error.status === 401 ? unauthorized : (error as Error).message);
    }
    setBusy(false);
  };
  return { busy, trouble, run };
}
