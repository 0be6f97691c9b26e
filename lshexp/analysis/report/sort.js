// Sorting by a column: the heading's text becomes a button. Numbers sort as numbers, missing ones last; rows
// stay in their group.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      for (const body of table.tBodies) {
        const rows = [...body.rows].filter((row) => row.cells.length === heads.length);
        const key = (row) => row.cells[column].textContent.trim();
        const missing = (value) => value === "" || value === "-";
        rows.sort((a, b) => {
          const x = key(a), y = key(b);
          if (missing(x) || missing(y)) return missing(x) - missing(y);
          const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
          return down ? -order : order;
        });
        body.append(...rows);
      }
    });
  });
}
