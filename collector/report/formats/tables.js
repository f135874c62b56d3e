// Makes tables sortable and searchable, keeps the columns of names in view, and explains columns and footnotes.
// A part of report.js. Tables are prepared when they are first seen.
const MANY_ROWS = 8;
const meanings = JSON.parse(document.getElementById("meanings").textContent);
const prepared = new WeakSet();

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// The number that a cell begins with, without its footnotes; NaN if it begins with none.
function numberOf(text) {
  const found = /^[^\d+−-]{0,3}([+−-]?[\d,]*\.?\d+)/.exec(text.trim());
  return found ? Number(found[1].replaceAll(",", "").replace("−", "-")) : NaN;
}

function textOf(cell) {
  return [...cell.childNodes].filter((node) => !node.classList?.contains("note")).map((node) => node.textContent).join("").trim();
}

function compareCells(a, b, numeric) {
  if (!numeric) return a.localeCompare(b, "en", { numeric: true });
  const [left, right] = [numberOf(a), numberOf(b)];
  if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
  return left - right;
}

// Sorts by a column: first the order that the heading asks for, then the other one, then that of the report.
function sortBy(table, column, rows) {
  const heading = table.tHead.rows[0].cells[column];
  const next = { ascending: "descending", descending: null }[heading.getAttribute("aria-sort")];
  const order = next === undefined ? "ascending" : next;
  [...table.tHead.rows[0].cells].forEach((cell) => cell.removeAttribute("aria-sort"));
  const sorted = [...rows];
  if (order) {
    heading.setAttribute("aria-sort", order);
    const numeric = heading.classList.contains("number");
    const known = (row) => !numeric || !Number.isNaN(numberOf(textOf(row.cells[column])));
    sorted.sort((a, b) => {
      const found = compareCells(textOf(a.cells[column]), textOf(b.cells[column]), numeric);
      return order === "descending" && known(a) && known(b) ? -found : found;
    });
  }
  table.tBodies[0].append(...sorted);
}

function keepNamesInView(table) {
  const first = table.tHead.rows[0].cells[0];
  if (first) table.style.setProperty("--first", `${Math.floor(first.getBoundingClientRect().width)}px`);
}

function prepareTable(scroll) {
  const table = scroll.querySelector("table");
  if (prepared.has(table)) return;
  prepared.add(table);
  const rows = [...table.tBodies[0].rows];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const text = heading.textContent;
    const meaning = meanings[text];
    if (meaning) heading.title = meaning;
    if (rows.length < 2) return;
    const button = element("button", { type: "button", className: "sort", textContent: text });
    if (meaning) button.setAttribute("aria-description", meaning);
    button.addEventListener("click", () => sortBy(table, column, rows));
    heading.replaceChildren(button);
  });
  table.querySelectorAll("a.note").forEach((link) => {
    link.title = document.getElementById(link.hash.slice(1))?.textContent ?? "";
  });
  const tools = [];
  if (rows.length >= MANY_ROWS) {
    const filter = element("input", { type: "search", placeholder: "Filter rows", ariaLabel: `Filter rows: ${scroll.ariaLabel}` });
    filter.addEventListener("input", () => {
      const wanted = filter.value.toLowerCase().split(/\s+/);
      rows.forEach((row) => {
        const text = row.textContent.toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word));
      });
    });
    tools.push(filter);
  }
  if (table.querySelector("th.detail")) {
    const box = element("input", { type: "checkbox" });
    box.addEventListener("change", () => {
      table.classList.toggle("all", box.checked);
      keepNamesInView(table);
    });
    tools.push(element("label", {}, box, " All columns"));
  }
  if (headings.filter((heading) => heading.title).length > 3 && document.getElementById("columns")) {
    tools.push(element("a", { href: "#columns", textContent: "What the columns mean" }));
  }
  if (tools.length) scroll.before(element("div", { className: "tools" }, ...tools));
  keepNamesInView(table);
}

// Whether nothing around an element is folded. To ask for its size would lay out all that is folded, too.
function isShown(inner) {
  return inner.closest("details:not([open]), [hidden]") === null;
}

function prepareTables() {
  document.querySelectorAll(".scroll").forEach((scroll) => { if (isShown(scroll)) prepareTable(scroll); });
}
