"use strict";
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const pictures = [...document.querySelectorAll(".picture")];
  const config = {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };

  function themed(figure, isDark) {
    const layout = figure.layout;
    const look = layout.template.layout;
    look.paper_bgcolor = "rgba(0,0,0,0)";
    look.plot_bgcolor = "rgba(0,0,0,0)";
    if (isDark) {
      look.font.color = "#d7dae0";
      for (const axis of [look.xaxis, look.yaxis]) {
        axis.gridcolor = "#2c313a";
        axis.linecolor = axis.tickcolor = "#565d69";
      }
      for (const note of layout.annotations || []) {
        if (note.bgcolor) note.bgcolor = "rgba(24,27,32,0.75)";
      }
    }
    return figure;
  }

  function draw(isDark) {
    for (const picture of pictures) {
      const figure = themed(JSON.parse(picture.nextElementSibling.textContent), isDark);
      window.Plotly.react(picture, figure.data, figure.layout, config);
    }
  }

  if (pictures.length) {
    draw(dark.matches);
    dark.addEventListener("change", () => draw(dark.matches));
    window.addEventListener("beforeprint", () => draw(false));
    window.addEventListener("afterprint", () => draw(dark.matches));
  }

  // numbers by size, texts by the alphabet, what is missing always last
  function compare(a, b) {
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
    const x = Number(a);
    const y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const headings = [...table.querySelectorAll("th")];
    headings.forEach((heading, column) => {
      heading.querySelector("button").addEventListener("click", () => {
        const down = heading.getAttribute("aria-sort") === "ascending";
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => row.cells[column].dataset.key;
        const rows = [...body.rows].sort((a, b) => {
          const missing = key(a) === undefined || key(b) === undefined;
          return down && !missing ? compare(key(b), key(a)) : compare(key(a), key(b));
        });
        body.append(...rows);
      });
    });
  }
})();
