// A bar that shows how much of something there is.

/** Shows value of max, of which text is what is read out. */
export function Bar({
  label,
  value,
  max,
  text,
  width,
  className,
}: {
  label: string;
  value: number;
  max: number;
  text: string;
  /** How much of the bar is filled, in percent. */
  width: number;
  className: string;
}) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: browsers draw a meter each in their own way
    <div
      className="bar"
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={max}
      aria-valuenow={value}
      aria-valuetext={text}
    >
      <span className={className} style={{ width: `${width}%` }} />
    </div>
  );
}
