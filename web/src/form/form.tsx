// A form with its button: made by form-js from the model's schema, or rows of variables where there is none.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { FormSource } from '../api/queries';
import { Failed, Loading } from '../ui/states';
import { clock } from '../ui/time';
import { dropDraft, keepDraft, readDraft } from './draft';
import type { OpenForm } from './form-js';
import { withoutSubmit } from './schema';
import { toValues, type Values } from './values';
import { VariableForm } from './variable-form';

export interface FillProps {
  source: FormSource;
  /** Where the draft is kept. */
  draft: string;
  /** The word on the button, unless the form has its own. */
  action: string;
  /** Why it cannot be filled in, or null. */
  locked: string | null;
  busy: boolean;
  trouble: string | null;
  submit: (values: Values) => void;
}

export function Fill(props: FillProps) {
  const { source, draft } = props;
  const [restored, setRestored] = useState(() => readDraft(draft));
  // A discarded draft starts the form anew.
  const [round, setRound] = useState(0);
  const initial = useMemo(() => ({ ...toValues(source.variables), ...restored?.values }), [source, round]);
  const discard = () => {
    dropDraft(draft);
    setRestored(null);
    setRound(round + 1);
  };
  return (
    <>
      {restored && (
        <p class="note row">
          <span>What you typed at {clock(restored.at)} and did not send is here again.</span>
          <button type="button" class="small" onClick={discard}>
            Discard it
          </button>
        </p>
      )}
      {source.schema ? <SchemaForm key={round} {...props} initial={initial} /> : <PlainForm key={round} {...props} initial={initial} />}
    </>
  );
}

interface FilledProps extends FillProps {
  initial: Values;
}

const DRAFT_MS = 300;

/** Keeps what is typed, a moment after it was typed, and at the latest when the form goes away. */
function useDraft(key: string): (values: Values) => void {
  const pending = useRef<{ timer: ReturnType<typeof setTimeout>; values: Values } | null>(null);
  const flush = () => {
    if (!pending.current) return;
    clearTimeout(pending.current.timer);
    keepDraft(key, pending.current.values);
    pending.current = null;
  };
  useEffect(() => {
    addEventListener('pagehide', flush);
    return () => {
      removeEventListener('pagehide', flush);
      flush();
    };
  }, [key]);
  return (values) => {
    if (pending.current) clearTimeout(pending.current.timer);
    pending.current = { timer: setTimeout(flush, DRAFT_MS), values };
  };
}

function SchemaForm({ source, draft, action, locked, busy, trouble, submit, initial }: FilledProps) {
  const container = useRef<HTMLDivElement>(null);
  const [form, setForm] = useState<OpenForm | null>(null);
  const [failure, setFailure] = useState<Error | null>(null);
  const [wrong, setWrong] = useState(0);
  const { schema, label } = useMemo(() => withoutSubmit(source.schema ?? {}), [source]);
  const keep = useDraft(draft);
  const latest = useRef({ submit, keep, locked });
  latest.current = { submit, keep, locked };

  useEffect(() => {
    let gone = false;
    let made: OpenForm | null = null;
    const open = async () => {
      const { openForm } = await import('./form-js');
      if (gone || !container.current) return;
      made = await openForm(container.current, schema, initial, latest.current.locked !== null, {
        changed: (values) => latest.current.keep(values),
        submitted: (values, count) => {
          setWrong(count);
          if (count === 0) latest.current.submit(values);
        },
      });
      if (gone) made.close();
      else setForm(made);
    };
    open().catch((error: Error) => {
      if (!gone) setFailure(error);
    });
    return () => {
      gone = true;
      made?.close();
    };
  }, [schema, initial]);
  useEffect(() => form?.setReadOnly(locked !== null), [form, locked !== null]);

  if (failure) return <Failed title="This form cannot be shown" error={failure} />;
  return (
    <>
      {!form && <Loading what="form" />}
      <div class="form-js" ref={container} />
      {form && (
        <Send
          label={label ?? action}
          locked={locked}
          busy={busy}
          trouble={trouble ?? (wrong > 0 ? (wrong === 1 ? 'One field needs your attention.' : `${wrong} fields need your attention.`) : null)}
          send={() => form.submit()}
        />
      )}
    </>
  );
}

function PlainForm({ source, draft, action, locked, busy, trouble, submit, initial }: FilledProps) {
  const [values, setValues] = useState<Values | null>(null);
  const keep = useDraft(draft);
  return (
    <>
      {source.elsewhere && (
        <p class="note">
          The model names the form <code>{source.elsewhere}</code>, which this page does not show. Its variables can be set here.
        </p>
      )}
      <VariableForm
        initial={initial}
        locked={locked !== null}
        change={(next) => {
          setValues(next);
          if (next) keep(next);
        }}
      />
      <Send label={action} locked={locked} busy={busy || values === null} trouble={trouble} send={() => values && submit(values)} />
    </>
  );
}

function Send({ label, locked, busy, trouble, send }: { label: string; locked: string | null; busy: boolean; trouble: string | null; send: () => void }) {
  return (
    <div class="send">
      {trouble && (
        <p class="trouble" role="alert">
          {trouble}
        </p>
      )}
      <div class="row">
        <button type="button" class="primary" disabled={busy || locked !== null} onClick={send}>
          {label}
        </button>
        {locked && <span class="muted">{locked}</span>}
      </div>
    </div>
  );
}
