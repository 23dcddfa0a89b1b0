/** The product's sign: a thing that steps from one level to another. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
      <rect width="32" height="32" rx="7" class="mark-ground" />
      <path d="M6 21h7l6-10h7" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round" />
      <circle cx="16" cy="16" r="3.6" fill="#ffc857" />
    </svg>
  );
}
