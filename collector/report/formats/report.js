"use strict";
// Unpacks Plotly, folds and unfolds chapters, and draws what a reader opens.
async function unpack(base64) {
  const packed = Uint8Array.fromBase64?.(base64) ?? Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

// Prepares what has come into view: its tables, and its charts if Plotly is there.
function show() {
  prepareTables();
  if (document.documentElement.classList.contains("drawn")) drawShown();
}

// Opens the folded chapters around an element, so that a link to it leads somewhere.
function unfoldAround(target) {
  for (let at = target; at; at = at.parentElement) {
    const folded = at.closest("details");
    if (!folded) return;
    folded.open = true;
    at = folded;
  }
}

function follow() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.hidden && target.matches(".choice figure")) choose(target);
  unfoldAround(target);
  target.scrollIntoView();
}

// Shows one of the figures of which one is shown.
function choose(figure) {
  const group = figure.closest(".choice");
  group.querySelectorAll("figure").forEach((other, i) => {
    other.hidden = other !== figure;
    if (other === figure) group.querySelector("select").value = i;
  });
  show();
}

// Adds the control of figures of which one is shown.
function addChoice(group) {
  const figures = [...group.querySelectorAll("figure")];
  if (figures.length < 2) return;
  const nameOf = (figure) => (figure.querySelector("h4 .of")?.textContent ?? figure.querySelector("h4").textContent).replace(/^, /, "");
  const select = element("select", {}, ...figures.map((figure, i) => element("option", { value: i, textContent: nameOf(figure) })));
  select.addEventListener("change", () => choose(figures[Number(select.value)]));
  group.prepend(element("label", { className: "chooser" }, `${group.dataset.what}: `, select));
}

function addContentsTools() {
  const chapters = () => document.querySelectorAll("details.chapter");
  const button = (text, open) => {
    const made = element("button", { type: "button", textContent: text });
    made.addEventListener("click", () => chapters().forEach((chapter) => { chapter.open = open; }));
    return made;
  };
  document.querySelector(".contents").append(element("p", { className: "files" }, button("Open all", true), button("Fold all", false)));
  const menu = document.querySelector(".menu");
  const roomy = matchMedia("(min-width: 64rem)");
  const fit = () => { menu.open = roomy.matches; };
  roomy.addEventListener("change", fit);
  fit();
  menu.addEventListener("click", (event) => { if (event.target.closest("a") && !roomy.matches) menu.open = false; });
}

addEventListener("beforeprint", () => {
  toPaper();
  if (document.documentElement.classList.contains("drawn")) redraw();
});
addEventListener("afterprint", () => {
  toScreen();
  if (document.documentElement.classList.contains("drawn")) redraw();
});

async function start() {
  document.documentElement.classList.add("scripted");
  document.querySelectorAll(".choice").forEach(addChoice);
  addContentsTools();
  document.addEventListener("toggle", show, true);
  addEventListener("hashchange", follow);
  follow();
  prepareTables();
  if (!document.querySelector(".chart")) return;
  try {
    const library = document.createElement("script");
    library.textContent = await unpack(document.getElementById("plotly").textContent);
    document.head.append(library);
    await drawShown();
  } catch {
    // An old browser cannot unpack Plotly: open the tables of the charts instead.
    document.documentElement.classList.add("without-charts");
    document.querySelectorAll("figure details").forEach((details) => { details.open = true; });
    return;
  }
  document.documentElement.classList.add("drawn");
  [dark, narrow].forEach((query) => query.addEventListener("change", redraw));
  drawShown();
}

start();
