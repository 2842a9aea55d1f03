// Tables on a phone: each row stands as a card, and each cell has its column's name before it (workplace.css).

/** Tell the cells of a table what their columns are called. @param {HTMLTableElement} table */
export function labelCells(table) {
  const names = [...(table.tHead?.rows[0]?.cells ?? [])].map((cell) => cell.textContent.trim());
  for (const body of table.tBodies) {
    for (const row of body.rows) {
      [...row.cells].forEach((cell, at) => (cell.dataset.label = cell.colSpan > 1 ? "" : (names[at] ?? "")));
    }
  }
}

for (const table of document.querySelectorAll(".workplace table")) labelCells(table);
