// Creates elements. Text from providers is always set as text content, never as HTML.

/**
 * Creates an element. Attributes whose value is null, undefined or false are omitted.
 * Children are elements or text.
 */
export function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value == null || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

export const byId = (id) => document.getElementById(id);
