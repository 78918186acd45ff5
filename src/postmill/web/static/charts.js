// Reading a chart: the values of the step under the pointer, or chosen with the arrow keys, stand in its legend.

let chosen = null; // [id of the chart, label of the step]: it outlives a refresh

function show(figure, step) {
  for (const one of figure.querySelectorAll(".step.chosen")) one.classList.remove("chosen");
  const when = figure.querySelector("[data-when]");
  const sums = [...figure.querySelectorAll("[data-value]")];
  if (!step) {
    when.textContent = when.dataset.otherwise;
    for (const sum of sums) sum.textContent = sum.dataset.value;
    return;
  }
  step.classList.add("chosen");
  when.textContent = step.dataset.label;
  const values = step.dataset.values.split("|");
  sums.forEach((sum, place) => { sum.textContent = values[place] || "–"; });
}

function choose(figure, step) {
  chosen = step ? [figure.id, step.dataset.label] : null;
  show(figure, step);
}

function figureOf(event) {
  return event.target.closest?.("[data-chart]");
}

document.addEventListener("pointerover", (event) => {
  const figure = figureOf(event);
  const step = event.target.closest?.(".step");
  if (figure && step) choose(figure, step);
  else if (chosen && !event.target.closest?.("[data-chart] svg")) {
    const last = document.getElementById(chosen[0]);
    if (last && !last.contains(document.activeElement)) choose(last, null);
  }
});

document.addEventListener("keydown", (event) => {
  if (!event.target.matches?.("[data-chart] .plot")) return;
  const figure = figureOf(event);
  const steps = [...figure.querySelectorAll(".step")];
  const now = steps.findIndex((step) => step.classList.contains("chosen"));
  const next = {
    ArrowLeft: now < 0 ? steps.length - 1 : Math.max(0, now - 1),
    ArrowRight: now < 0 ? 0 : Math.min(steps.length - 1, now + 1),
    Home: 0,
    End: steps.length - 1,
    Escape: -1,
  }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  choose(figure, steps[next] ?? null);
});

document.addEventListener("focusout", (event) => {
  if (event.target.matches?.("[data-chart] .plot")) choose(figureOf(event), null);
});

export function prepare(root) {
  for (const figure of root.querySelectorAll("[data-chart]")) {
    const plot = figure.querySelector(".plot");
    plot.tabIndex = 0;
    plot.setAttribute("role", "group");
    plot.setAttribute("aria-label", "Chart; arrow keys go from step to step");
    figure.querySelector("[data-when]").setAttribute("aria-live", "polite");
    if (chosen && chosen[0] === figure.id) {
      const step = [...figure.querySelectorAll(".step")].find((one) => one.dataset.label === chosen[1]);
      if (step) show(figure, step);
    }
  }
}

document.addEventListener("refreshed", () => prepare(document));
prepare(document);
