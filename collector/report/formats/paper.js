// Prepares the page for printing where style sheets cannot. A part of report.js.
// The sizes match @page and @media print of the style sheet, for the narrower of A4 and US letter.
const PAPER_SCALE = 0.62;
const TALLEST_PIXELS = 430;
const PAPER_PIXELS = 718;
const COLUMN_PIXELS = 328;
const PAPER_FONT = 10 / 13;
const PAPER_BAR_FONT = 7.5;
const SCREEN_PADDING = 22;
const PAPER_PADDING = 10;
const LONGEST_PIXELS = 180;

// Just before printing, the page still has its screen layout, so this class is the only sign that paper is meant.
function onPaper() {
  return document.documentElement.classList.contains("on-paper");
}

function paperWidth(chart) {
  return chart.closest(".charts").classList.contains("wide") ? PAPER_PIXELS - 30 : COLUMN_PIXELS;
}

function paperHeight(chart) {
  return Math.round(Math.min(chart.dataset.height * PAPER_SCALE, TALLEST_PIXELS));
}

// Splits the columns of a table into parts that fit on paper; each part starts with the columns that name a row.
function parts(table) {
  const names = Number(table.dataset.names);
  const widths = [...table.tHead.rows[0].cells].map(({ offsetWidth }) => (
    offsetWidth ? Math.min(LONGEST_PIXELS, (offsetWidth - SCREEN_PADDING) * PAPER_FONT) + PAPER_PADDING : 0
  ));
  const first = widths.slice(0, names).map((_, i) => i);
  const width = (columns) => columns.reduce((sum, i) => sum + widths[i], 0);
  const found = [[...first]];
  widths.forEach((_, i) => {
    if (i < names) return;
    const part = found.at(-1);
    if (part.length > names && width([...part, i]) > PAPER_PIXELS) found.push([...first, i]);
    else part.push(i);
  });
  return found;
}

function toPaper() {
  document.documentElement.classList.add("on-paper");
  document.querySelectorAll("details.notes, details.block").forEach((details) => {
    if (details.open || !isShown(details.parentElement)) return;
    details.dataset.closed = "";
    details.open = true;
  });
  document.querySelectorAll(".scroll:not(figure .scroll)").forEach((scroll) => {
    if (!isShown(scroll)) return;
    const table = scroll.querySelector("table");
    const found = parts(table);
    if (found.length === 1) return;
    scroll.classList.add("in-parts");
    found.forEach((columns) => {
      const part = table.cloneNode(true);
      part.classList.add("part");
      [...part.rows].forEach((row) => {
        [...row.cells].forEach((cell, i) => { if (!columns.includes(i)) cell.remove(); });
      });
      scroll.append(part);
    });
  });
}

function toScreen() {
  document.documentElement.classList.remove("on-paper");
  document.querySelectorAll("details[data-closed]").forEach((details) => {
    details.open = false;
    delete details.dataset.closed;
  });
  document.querySelectorAll(".in-parts").forEach((scroll) => {
    scroll.classList.remove("in-parts");
    scroll.querySelectorAll(".part").forEach((part) => part.remove());
  });
}
