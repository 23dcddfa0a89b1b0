/** One of a few, as a row of radio buttons. */
export function Choice<Value extends string>({
  label,
  name,
  value,
  options,
  set,
}: {
  label: string;
  name: string;
  value: Value;
  options: readonly (readonly [Value, string])[];
  set: (value: Value) => void;
}) {
  return (
    <fieldset class="choice">
      <legend class="visually-hidden">{label}</legend>
      {options.map(([each, text]) => (
        <label key={each}>
          <input type="radio" name={name} checked={each === value} onChange={() => set(each)} />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}
