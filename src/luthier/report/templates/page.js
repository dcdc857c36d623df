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

  // laying out tens of thousands of rows takes long, so the first ones are shown until all are asked for
  function limit(table) {
    [...table.tBodies[0].rows].forEach((row, i) => {
      row.hidden = i >= Number(table.dataset.limit);
    });
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const headings = [...table.querySelectorAll("th")];
    headings.forEach((heading, column) => {
      heading.querySelector("button").addEventListener("click", () => {
        const down = heading.getAttribute("aria-sort") === "ascending";
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].map((row) => [row.children[column].dataset.key, row]);
        rows.sort(([a], [b]) => (down && a !== undefined && b !== undefined ? compare(b, a) : compare(a, b)));
        body.replaceChildren(...rows.map(([, row]) => row));
        limit(table);
      });
    });
    const more = table.parentElement.nextElementSibling;
    if (more && more.matches(".more")) {
      more.querySelector("button").addEventListener("click", () => {
        table.dataset.limit = table.tBodies[0].rows.length;
        limit(table);
        more.remove();
      });
    }
  }
})();
