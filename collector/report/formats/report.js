"use strict";
// Unpacks Plotly, draws the charts in the colours of the page, and redraws them when the colours change.
const charts = JSON.parse(document.getElementById("charts").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 40rem)");
const LEGEND_ROW = 30;
const adjusting = new WeakSet();
const again = new WeakSet();

async function unpack(base64) {
  const packed = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

function shadeOf(tint, colour) {
  return colour(typeof tint === "number" ? `--tint-${tint}` : `--${tint}`);
}

function tinted(trace, colour) {
  const { tint, named, ...rest } = trace;
  if (tint === undefined) return rest;
  const shade = shadeOf(tint, colour);
  const shown = { ...rest, marker: { ...rest.marker, color: shade }, line: { ...rest.line, color: shade } };
  if (onPaper() && rest.marker?.size) shown.marker.size = rest.marker.size * PAPER_SCALE;
  if (rest.error_x) shown.error_x = { ...rest.error_x, color: colour("--text") };
  if (rest.type === "bar") {
    delete shown.line;
    shown.insidetextfont = { color: colour("--on-tint") };
    if (onPaper()) Object.assign(shown, { constraintext: "none", textfont: { size: PAPER_BAR_FONT } });
  }
  return shown;
}

// Chooses the ticks of logarithmic axes: evenly spaced numbers within one decade, else 1, 2 and 5 if there is room.
function ticks(chart) {
  const { w: width, h: height } = chart._fullLayout._size;
  return Object.fromEntries(Object.entries(chart.layout)
    .filter(([name, axis]) => /^[xy]axis/.test(name) && axis.type === "log")
    .flatMap(([name, axis]) => {
      const decades = Math.abs(axis.range[1] - axis.range[0]);
      const roomy = name.startsWith("x") ? width / decades > 95 : height / decades > 50;
      const wanted = decades < 1 ? null : roomy ? "D2" : 1;
      return (axis.dtick ?? null) === wanted ? []
        : [[`${name}.dtick`, wanted], [`${name}.tickmode`, wanted === null ? "auto" : "linear"]];
    }));
}

// Adjusts what depends on the current size and range of a chart: its height with the legend, its ticks, and the
// places of names.
async function adjust(chart, traces, colour) {
  if (adjusting.has(chart)) {
    again.add(chart);
    return;
  }
  adjusting.add(chart);
  const legend = Math.round(chart._fullLayout.legend?._height ?? 0);
  const height = (onPaper() ? paperHeight(chart) : Number(chart.dataset.height)) + Math.max(0, legend - LEGEND_ROW);
  if (chart.layout.height !== height) {
    chart.style.height = `${height}px`;
    await Plotly.relayout(chart, { height });
  }
  const changed = ticks(chart);
  if (Object.keys(changed).length) await Plotly.relayout(chart, changed);
  if (traces.some((trace) => trace.named)) {
    await Plotly.relayout(chart, { annotations: names(chart, traces, colour) });
  }
  adjusting.delete(chart);
  if (again.delete(chart)) await adjust(chart, traces, colour);
}

// Whether `adjust` itself made a change of a chart's layout.
function ours(change) {
  return Object.keys(change).every((key) => /^(height|annotations)$|\.(dtick|tickmode)$/.test(key));
}

function draw() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = {
    gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line"),
    automargin: true, fixedrange: narrow.matches, title: { standoff: 8 },
  };
  const size = onPaper() ? 9.5 : narrow.matches ? 11 : 12.5;
  charts.forEach(({ traces, layout }, number) => {
    const axes = Object.entries(layout).filter(([name]) => /^[xy]axis/.test(name));
    const shapes = layout.shapes ?? [];
    const chart = document.getElementById(`chart-${number}`);
    Plotly.react(
      chart,
      traces.map((trace) => tinted(trace, colour)),
      {
        ...layout,
        ...(onPaper() ? { width: paperWidth(chart), autosize: false } : { autosize: true }),
        ...Object.fromEntries(axes.map(([name, own]) => [name, {
          ...axis, ...(own.type === "category" ? {} : { tickformat: ",~r" }), ...own, title: { ...axis.title, ...own.title },
        }])),
        shapes: shapes.map(({ tint, ...shape }) => ({ ...shape, line: { ...shape.line, color: shadeOf(tint, colour) } })),
        font: { color: colour("--text"), family: "system-ui, sans-serif", size },
        hoverlabel: { font: { family: "system-ui, sans-serif" } },
        legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom", traceorder: "normal", maxheight: 4000 },
        margin: { t: 24, r: 16, b: 40, l: 40 },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        showlegend: layout.showlegend ?? traces.filter((trace) => trace.showlegend !== false).length > 1,
        dragmode: narrow.matches ? false : "zoom",
      },
      { displaylogo: false, responsive: true, displayModeBar: false },
    );
    chart.removeAllListeners("plotly_relayout");
    chart.on("plotly_relayout", (change) => ours(change) || adjust(chart, traces, colour));
    adjust(chart, traces, colour);
  });
}

addEventListener("beforeprint", () => {
  toPaper();
  if (document.documentElement.classList.contains("drawn")) draw();
});
addEventListener("afterprint", () => {
  toScreen();
  if (document.documentElement.classList.contains("drawn")) draw();
});

async function start() {
  if (!charts.length) return;
  try {
    const library = document.createElement("script");
    library.textContent = await unpack(document.getElementById("plotly").textContent);
    document.head.append(library);
    draw();
  } catch {
    // An old browser cannot unpack Plotly: open the tables of the charts instead.
    document.documentElement.classList.add("without-charts");
    document.querySelectorAll("figure details").forEach((details) => { details.open = true; });
    return;
  }
  document.documentElement.classList.add("drawn");
  [dark, narrow].forEach((query) => query.addEventListener("change", draw));
}

start();
