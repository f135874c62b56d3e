"use strict";
// Unpacks Plotly, draws the charts in the colours of the page, and draws them again when those change.
const charts = JSON.parse(document.getElementById("charts").textContent);
const themes = [matchMedia("(prefers-color-scheme: dark)"), matchMedia("print")];
const narrow = matchMedia("(max-width: 40rem)");

async function unpack(base64) {
  const packed = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

function tinted(trace, colour) {
  const { tint, ...rest } = trace;
  if (tint === undefined) return rest;
  const shade = colour(typeof tint === "number" ? `--tint-${tint}` : `--${tint}`);
  const shown = { ...rest, marker: { ...rest.marker, color: shade }, line: { ...rest.line, color: shade } };
  if (rest.error_x) shown.error_x = { ...rest.error_x, color: colour("--text") };
  if (rest.type === "bar") {
    delete shown.line;
    shown.insidetextfont = { color: colour("--on-tint") };
  }
  return shown;
}

function draw() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = {
    gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line"),
    automargin: true, fixedrange: narrow.matches, title: { standoff: 8, font: { size: 12 } },
  };
  const size = narrow.matches ? 11 : 12.5;
  charts.forEach(({ traces, layout }, number) => {
    Plotly.react(
      document.getElementById(`chart-${number}`),
      traces.map((trace) => tinted(trace, colour)),
      {
        ...layout,
        xaxis: { ...axis, ...layout.xaxis, title: { ...axis.title, ...layout.xaxis.title } },
        yaxis: { ...axis, ...layout.yaxis, title: { ...axis.title, ...layout.yaxis.title } },
        font: { color: colour("--text"), family: "system-ui, sans-serif", size },
        hoverlabel: { font: { family: "system-ui, sans-serif" } },
        legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom", traceorder: "normal" },
        margin: { t: 24, r: 16, b: 40, l: 40 },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        showlegend: layout.showlegend ?? traces.filter((trace) => trace.showlegend !== false).length > 1,
        dragmode: narrow.matches ? false : "zoom",
      },
      { displaylogo: false, responsive: true, displayModeBar: false },
    );
  });
}

async function start() {
  if (!charts.length) return;
  try {
    const library = document.createElement("script");
    library.textContent = await unpack(document.getElementById("plotly").textContent);
    document.head.append(library);
    draw();
  } catch {
    // An old browser: what the charts show is in the tables behind them.
    document.documentElement.classList.add("without-charts");
    document.querySelectorAll("figure details").forEach((details) => { details.open = true; });
    return;
  }
  document.documentElement.classList.add("drawn");
  [...themes, narrow].forEach((query) => query.addEventListener("change", draw));
}

start();
