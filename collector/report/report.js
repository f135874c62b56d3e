"use strict";
// Unpacks Plotly, draws the charts in the colours of the page, and draws them again when those change.
const charts = JSON.parse(document.getElementById("charts").textContent);
const themes = [matchMedia("(prefers-color-scheme: dark)"), matchMedia("print")];
const narrow = matchMedia("(max-width: 40rem)");
const adjusting = new WeakSet();

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
  if (rest.error_x) shown.error_x = { ...rest.error_x, color: colour("--text") };
  if (rest.type === "bar") {
    delete shown.line;
    shown.insidetextfont = { color: colour("--on-tint") };
  }
  return shown;
}

const LEGEND_ROW = 30;
const NAME_HEIGHT = 15;
const NAME_GAPS = [9, 16, 26, 38, 54, 74, 98];
const NARROW_GAPS = NAME_GAPS.slice(0, 4);
const NAME_ANGLES = 24;
const MARK_RADIUS = 7;

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

function crosses([a, b], [c, d]) {
  const side = (p, q, r) => Math.sign((q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x));
  return side(a, b, c) !== side(a, b, d) && side(c, d, a) !== side(c, d, b);
}

function meets(line, box) {
  const corners = [
    { x: box.left, y: box.top }, { x: box.right, y: box.top },
    { x: box.right, y: box.bottom }, { x: box.left, y: box.bottom },
  ];
  return corners.some((corner, i) => crosses(line, [corner, corners[(i + 1) % 4]]));
}

// Names of points beside them, or joined to them by a line where it is crowded; the front's come first. None
// lies on another or on a mark; one for which there is no room near by is left to the pointer, and to the table.
function names(chart, traces, colour) {
  const { w: width, h: height } = chart._fullLayout._size;
  const { xaxis, yaxis } = chart.layout;
  const place = (axis, value, length) => {
    const at = axis.type === "log" ? Math.log10(value) : value;
    return ((at - axis.range[0]) / (axis.range[1] - axis.range[0])) * length;
  };
  const pen = document.createElement("canvas").getContext("2d");
  const size = narrow.matches ? 10.5 : 12;
  pen.font = `${size}px system-ui, sans-serif`;
  const points = traces.filter((trace) => trace.named).map((trace) => ({
    trace,
    x: place(xaxis, trace.x[0], width),
    y: height - place(yaxis, trace.y[0], height),
    half: pen.measureText(trace.name.replace(/&[#\w]+;/g, "x")).width / 2 + 3,
  })).filter(({ x, y }) => x >= 0 && x <= width && y >= 0 && y <= height);
  const marks = points.map(({ x, y }) => ({
    left: x - MARK_RADIUS, right: x + MARK_RADIUS, top: y - MARK_RADIUS, bottom: y + MARK_RADIUS,
  }));
  // The front goes right, then up: the names keep off it where they can.
  const stairs = traces.filter((trace) => trace.line?.shape === "hv").flatMap(({ x, y }) => x.slice(1).flatMap((_, i) => {
    const at = (j, k) => ({ x: place(xaxis, x[j], width), y: height - place(yaxis, y[k], height) });
    return [[at(i, i), at(i + 1, i)], [at(i + 1, i), at(i + 1, i + 1)]];
  }));
  const near = (a) => points.filter((b) => Math.hypot(a.x - b.x, a.y - b.y) < 2 * a.half).length;
  const placed = [];
  const first = ({ trace }) => (trace.named === "front" ? 0 : 1);
  [...points].sort((a, b) => first(a) - first(b) || near(b) - near(a)).forEach((point) => {
    let best = null;
    (narrow.matches ? NARROW_GAPS : NAME_GAPS).forEach((gap) => {
      for (let i = 0; i < NAME_ANGLES; i += 1) {
        const angle = (2 * Math.PI * i) / NAME_ANGLES;
        const x = point.x + Math.cos(angle) * (gap + point.half);
        const y = point.y + Math.sin(angle) * (gap + NAME_HEIGHT / 2);
        const box = {
          left: x - point.half, right: x + point.half, top: y - NAME_HEIGHT / 2, bottom: y + NAME_HEIGHT / 2,
        };
        const line = [{ x: point.x, y: point.y }, { x, y }];
        const outside = box.left < 0 || box.right > width || box.top < 0 || box.bottom > height;
        if (outside || marks.some((mark) => overlap(mark, box))) continue;
        if (placed.some((other) => overlap(other.box, box) || meets(line, other.box) || meets(other.line, box))) continue;
        // The front is the upper left edge of the cloud: its names go out, the others in.
        const outwards = point.trace.named === "front" ? -1 : 1;
        const cost = gap + 6 * (1 - (outwards * (Math.cos(angle) + Math.sin(angle))) / Math.SQRT2)
          + 30 * placed.filter((other) => crosses(line, other.line)).length
          + 12 * stairs.filter((stair) => meets(stair, box)).length
          + 20 * marks.filter((mark, j) => points[j] !== point && meets(line, mark)).length;
        if (best === null || cost < best.cost) best = { cost, box, line, x, y };
      }
    });
    if (best !== null) placed.push({ ...best, point });
  });
  return placed.map(({ point, x, y }) => ({
    x: xaxis.type === "log" ? Math.log10(point.trace.x[0]) : point.trace.x[0],
    y: yaxis.type === "log" ? Math.log10(point.trace.y[0]) : point.trace.y[0],
    ax: x - point.x, ay: y - point.y,
    text: point.trace.name, font: { size }, xanchor: "center", yanchor: "middle", borderpad: 1,
    showarrow: true, arrowhead: 0, arrowwidth: 1, standoff: MARK_RADIUS,
    arrowcolor: shadeOf(point.trace.tint, colour),
  }));
}

// Ticks of logarithmic axes: evenly spaced numbers within a decade, else 1, 2 and 5 where they have room.
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

// What depends on the size and the range that a chart has now: the height that its legend takes, its ticks,
// and where there is room for names.
async function adjust(chart, traces, colour) {
  if (adjusting.has(chart)) return;
  adjusting.add(chart);
  try {
    const legend = chart._fullLayout.legend?._height ?? 0;
    const height = Number(chart.dataset.height) + Math.max(0, Math.round(legend) - LEGEND_ROW);
    if (chart.clientHeight !== height) {
      chart.style.height = `${height}px`;
      await Plotly.relayout(chart, { autosize: true });
    }
    const changed = ticks(chart);
    if (Object.keys(changed).length) await Plotly.relayout(chart, changed);
    if (traces.some((trace) => trace.named)) {
      await Plotly.relayout(chart, { annotations: names(chart, traces, colour) });
    }
  } finally {
    adjusting.delete(chart);
  }
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
    const axes = Object.entries(layout).filter(([name]) => /^[xy]axis/.test(name));
    const shapes = layout.shapes ?? [];
    const chart = document.getElementById(`chart-${number}`);
    Plotly.react(
      chart,
      traces.map((trace) => tinted(trace, colour)),
      {
        ...layout,
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
    chart.on("plotly_relayout", () => adjust(chart, traces, colour));
    adjust(chart, traces, colour);
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
