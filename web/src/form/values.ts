// Between variables on the wire and plain values in a form.

import type { Variable, Variables } from '../api/types';

export type Values = Record<string, unknown>;

export function toValues(variables: Variables): Values {
  return Object.fromEntries(Object.entries(variables).map(([name, variable]) => [name, toValue(variable)]));
}

function toValue({ type, value }: Variable): unknown {
  if (typeof value !== 'string' || (type !== 'Json' && type !== 'Object')) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** Lists and objects travel as Json text; the type of the rest is inferred by the server, as for every client. */
export function toVariables(values: Values): Variables {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name, toVariable(value)]));
}

function toVariable(value: unknown): Variable {
  if (value === null) return { type: 'Null', value: null };
  if (typeof value === 'object') return { type: 'Json', value: JSON.stringify(value) };
  if (typeof value === 'boolean') return { type: 'Boolean', value };
  if (typeof value === 'number') return { type: numberType(value), value };
  return { type: 'String', value };
}

function numberType(value: number): string {
  if (!Number.isInteger(value)) return 'Double';
  return Math.abs(value) < 2 ** 31 ? 'Integer' : 'Long';
}
