// What a page does to a form's schema before it is shown.

import type { FormSchema } from '../api/queries';

interface Component {
  type?: string;
  action?: string;
  label?: string;
  components?: Component[];
}

/** Groups nest only as deep as a person can draw them. */
const DEPTH_MAX = 20;

/**
 * The schema without its submit buttons, and the label of the first: the page has one button, always in the same place, that
 * also says why it cannot be used.
 */
export function withoutSubmit(schema: FormSchema): { schema: FormSchema; label: string | null } {
  let label: string | null = null;
  const strip = (components: Component[], depth: number): Component[] =>
    components.flatMap((component) => {
      const submits = component.type === 'button' && (component.action ?? 'submit') === 'submit';
      if (submits) label ??= component.label ?? null;
      if (submits) return [];
      return component.components && depth < DEPTH_MAX ? [{ ...component, components: strip(component.components, depth + 1) }] : [component];
    });
  const components = strip((schema.components ?? []) as Component[], 0);
  return { schema: { ...schema, components }, label };
}
