// Elements, made in one expression. Text is only ever set as text: whatever a
// provider sends, none of it is markup.

/**
 * Makes an element. Attributes whose value is null, undefined or false are left
 * out; children are elements or text.
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
