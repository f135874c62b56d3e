"use strict";
// Draws the charts, in the colours of the page, and again when those change.
const charts = JSON.parse(document.getElementById("charts").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");

function draw() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true };
  charts.forEach(({ traces, layout }, number) => {
    Plotly.react(
      document.getElementById(`chart-${number}`),
      traces,
      {
        ...layout,
        xaxis: { ...axis, ...layout.xaxis },
        yaxis: { ...axis, ...layout.yaxis },
        colorway: [colour("--first"), colour("--second")],
        font: { color: colour("--text"), family: "system-ui, sans-serif", size: 13 },
        legend: { orientation: "h", y: 1.15 },
        margin: { t: 40, r: 10, b: 40, l: 55 },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        showlegend: traces.length > 1,
      },
      { displaylogo: false, responsive: true, displayModeBar: false },
    );
  });
}

draw();
dark.addEventListener("change", draw);
