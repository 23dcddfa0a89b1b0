// The form viewer, loaded only where a form is shown.

import { Form } from '@bpmn-io/form-js-viewer';
import '@bpmn-io/form-js-viewer/dist/assets/form-js.css';
import './form-js.css';
import type { FormSchema } from '../api/queries';
import type { Values } from './values';

export interface OpenForm {
  /** Runs the form's own checks; what comes of it is told to `submitted`. */
  submit(): void;
  setReadOnly(value: boolean): void;
  close(): void;
}

interface Listeners {
  changed: (values: Values) => void;
  /** Enter in a field, or `submit`: the values, and how many fields are wrong. */
  submitted: (values: Values, wrong: number) => void;
}

export async function openForm(container: HTMLElement, schema: FormSchema, values: Values, readOnly: boolean, { changed, submitted }: Listeners): Promise<OpenForm> {
  // Without the viewer's own delay: what is typed within it is lost when the state changes meanwhile, as by a claim.
  const options = { container, debounce: false, properties: { readOnly } };
  const form = new Form(options);
  await form.importSchema(schema as never, values as never);
  // The viewer also tells of changes that are none of the person's, such as being made writable.
  let last: string | null = null;
  form.on('changed', ({ data }: { data: Values }) => {
    const now = JSON.stringify(data);
    if (last !== null && now !== last) changed(data);
    last = now;
  });
  form.setProperty('readOnly', readOnly);
  form.on('submit', ({ data, errors }: { data: Values; errors: Record<string, unknown> }) => {
    const wrong = Object.keys(errors).length;
    if (wrong > 0) container.querySelector<HTMLElement>('.fjs-has-errors :is(input, textarea, select)')?.focus();
    submitted(data, wrong);
  });
  return {
    submit: () => void form.submit(),
    setReadOnly: (value) => form.setProperty('readOnly', value),
    close: () => form.destroy(),
  };
}
