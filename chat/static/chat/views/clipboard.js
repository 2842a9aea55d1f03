/** Copying a text: by the browser's clipboard, else by hand. */

/**
 * Whether it is copied. The clipboard is there on https and localhost only, and may be forbidden: then `mark` selects the
 * text, for its reader to copy.
 * @param {string} text  @param {() => void} mark
 */
export async function copyText(text, mark) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    mark();
    return false;
  }
}
