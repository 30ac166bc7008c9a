// What happens when the page is there: pictures, map and table.

const FIGURES = JSON.parse(document.getElementById("figures").textContent);

const PAPER = 680; // pixels between the margins of A4

function pictures(width) {
  for (const [name, picture] of Object.entries(FIGURES)) {
    const place = document.getElementById(`picture-${name}`);
    const { data, layout } = structuredClone(picture);
    if (width) Object.assign(layout, { width, autosize: false });
    Plotly.purge(place);
    Plotly.newPlot(place, data, layout, { displayModeBar: false, responsive: !width });
  }
}

// Paper is narrower than most screens and shows the whole map: all is drawn for it, and then as it was.
window.addEventListener("beforeprint", () => {
  pictures(PAPER);
  draw({ place: NATION, project: null });
});
window.addEventListener("afterprint", () => {
  pictures();
  draw();
});

finder();
legend();
draw();
reasonsTable();
pictures();
document.documentElement.dataset.ready = "true";
