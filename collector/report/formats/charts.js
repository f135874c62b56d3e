// Draws the charts that are in view of the reader, in the colours of the page. A part of report.js.
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 40rem)");
const LEGEND_ROW = 30;
const FRAME_PIXELS = 80;
const TURNED_NAME = 80; // the last name above a map of machines leans over its right edge
const adjusting = new WeakSet();
const again = new WeakSet();
const specs = new WeakMap();
const drawn = new Set();

// The traces and the layout of a chart, from the script element beside it.
function specOf(chart) {
  if (!specs.has(chart)) specs.set(chart, JSON.parse(chart.closest("figure").querySelector(".spec").textContent));
  return specs.get(chart);
}

function pageColour() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(name).trim();
}

function shadeOf(tint, colour) {
  return colour(typeof tint === "number" ? `--tint-${tint}` : `--${tint}`);
}

function tinted(trace, colour) {
  const { tint, named, heat, ...rest } = trace;
  if (heat) {
    return {
      ...rest,
      textfont: { color: colour("--text") },
      colorscale: [0, 1, 2].map((i) => [i / 2, colour(`--heat-${heat === "reversed" ? 2 - i : i}`)]),
    };
  }
  if (tint === undefined) return rest;
  const shade = shadeOf(tint, colour);
  const shown = { ...rest, marker: { ...rest.marker, color: shade }, line: { ...rest.line, color: shade } };
  if (onPaper() && rest.marker?.size) shown.marker.size = rest.marker.size * PAPER_SCALE;
  for (const error of ["error_x", "error_y"]) {
    if (rest[error]) shown[error] = { ...rest[error], color: named ? shade : colour("--text") };
  }
  if (rest.type === "bar") {
    delete shown.line;
    shown.insidetextfont = { color: colour("--on-tint") };
    if (onPaper()) Object.assign(shown, { constraintext: "none", textfont: { size: PAPER_BAR_FONT } });
  }
  return shown;
}

// Chooses the distance of ticks on a logarithmic axis: evenly spaced numbers within one decade, else 1, 2 and 5 if
// there is room.
function tickDistance(name, axis, { w: width, h: height }) {
  const decades = Math.abs(axis.range[1] - axis.range[0]);
  const roomy = name.startsWith("x") ? width / decades > 120 : height / decades > 50;
  return decades < 1 ? null : roomy ? "D2" : 1;
}

function ticks(chart) {
  return Object.fromEntries(Object.entries(chart.layout)
    .filter(([name, axis]) => /^[xy]axis/.test(name) && axis.type === "log")
    .flatMap(([name, axis]) => {
      const wanted = tickDistance(name, axis, chart._fullLayout._size);
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
  const changed = { ...(chart.layout.height === height ? {} : { height }), ...ticks(chart) };
  if (changed.height) chart.style.height = `${height}px`;
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

function drawOne(chart, colour) {
  const { traces, layout } = specOf(chart);
  const axis = {
    gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line"),
    automargin: true, fixedrange: narrow.matches, title: { standoff: 8 },
  };
  const size = onPaper() ? 9.5 : narrow.matches ? 11 : 12.5;
  const axes = Object.entries(layout).filter(([name]) => /^[xy]axis/.test(name));
  const shapes = layout.shapes ?? [];
  const height = onPaper() ? paperHeight(chart) : Number(chart.dataset.height);
  const room = { w: (onPaper() ? paperWidth(chart) : chart.clientWidth) - FRAME_PIXELS, h: height - FRAME_PIXELS };
  chart.style.height = `${height}px`;
  Plotly.react(
    chart,
    traces.map((trace) => tinted(trace, colour)),
    {
      ...layout,
      height,
      ...(onPaper() ? { width: paperWidth(chart), autosize: false } : { autosize: true }),
      ...Object.fromEntries(axes.map(([name, own]) => [name, {
        ...axis, ...(own.type === "category" || own.ticktext ? {} : { tickformat: ",~r" }),
        ...(own.type === "log" && own.range ? { dtick: tickDistance(name, own, room) } : {}),
        ...own, title: { ...axis.title, ...own.title },
      }])),
      shapes: shapes.map(({ tint, ...shape }) => ({ ...shape, line: { ...shape.line, color: shadeOf(tint, colour) } })),
      font: { color: colour("--text"), family: "system-ui, sans-serif", size },
      hoverlabel: { font: { family: "system-ui, sans-serif" } },
      legend: { orientation: "h", x: 0, xanchor: "left", y: layout.xaxis?.side === "top" ? 0 : 1.02,
        yanchor: layout.xaxis?.side === "top" ? "top" : "bottom", traceorder: "normal", maxheight: 4000 },
      margin: { t: 24, r: layout.xaxis?.side === "top" ? TURNED_NAME : 16, b: 40, l: 40 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      showlegend: layout.showlegend ?? traces.filter((trace) => trace.showlegend !== false).length > 1,
      dragmode: narrow.matches ? false : "zoom",
    },
    { displaylogo: false, responsive: true, displayModeBar: false },
  );
  chart.removeAllListeners("plotly_relayout");
  chart.on("plotly_relayout", (change) => ours(change) || adjust(chart, traces, colour));
  if (!drawn.has(chart)) offerFiles(chart);
  drawn.add(chart);
  return adjust(chart, traces, colour);
}

// Draws the charts that are shown and not drawn yet, one after the other, so that the page stays responsive.
async function drawShown() {
  const colour = pageColour();
  for (const chart of document.querySelectorAll(".chart")) {
    if (!drawn.has(chart) && isShown(chart)) {
      drawOne(chart, colour);
      await new Promise((resolve) => { setTimeout(resolve); });
    }
  }
}

// Draws all shown charts at once: those that are drawn already get the colours and sizes of now.
function redraw() {
  const colour = pageColour();
  document.querySelectorAll(".chart").forEach((chart) => { if (isShown(chart)) drawOne(chart, colour); else drawn.delete(chart); });
}

// The chart as a picture with its title on the page's background, as a data URL.
function picture(chart, format) {
  const colour = pageColour();
  const title = chart.closest("figure").querySelector("h4").textContent;
  const { width, height } = chart._fullLayout;
  const layout = {
    ...chart.layout, width, height: height + 40, autosize: false, paper_bgcolor: colour("--page"),
    title: { text: title, x: 0.02, xanchor: "left", font: { size: 15 } },
    margin: { ...chart.layout.margin, t: chart.layout.margin.t + 40 },
  };
  return Plotly.toImage({ data: chart.data, layout }, { format, width, height: height + 40, scale: format === "png" ? 2 : 1 });
}

function offerFiles(chart) {
  if (chart.closest("figure").querySelector(".files")) return;
  const buttons = ["svg", "png"].map((format) => {
    const button = element("button", { type: "button", textContent: `Save as ${format.toUpperCase()}` });
    button.addEventListener("click", async () => {
      const title = chart.closest("figure").querySelector("h4").textContent;
      const name = title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
      element("a", { href: await picture(chart, format), download: `${name}.${format}` }).click();
    });
    return button;
  });
  chart.closest("figure").querySelector("figcaption").append(element("p", { className: "files" }, ...buttons));
}
