// The form of one way to sign in.

import { type FormEvent, type ReactNode, useId } from "react";

/** Shows a way to sign in, and what was wrong with what was given. */
export function Way({
  title,
  why,
  problem,
  problemId,
  autoComplete,
  onSubmit,
  children,
}: {
  title: string;
  why: string;
  problem: string;
  /** The id of the text of what is wrong, for the field that it describes. */
  problemId?: string;
  autoComplete?: "off";
  onSubmit: (event: FormEvent<HTMLFormElement>) => void;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <form className="way" aria-labelledby={id} autoComplete={autoComplete} onSubmit={onSubmit}>
      <h2 id={id}>{title}</h2>
      <p className="muted">{why}</p>
      {children}
      <p id={problemId} role="alert" className="problem">
        {problem}
      </p>
    </form>
  );
}
