() => {
  // What people do with the live chart: read values, zoom (drag over it, double-click back), move the stop line. With the
  // mouse, a finger or the keys. A moved stop line goes the way of the slider, once, when it is let go; on the way there
  // the run knows nothing of it.
  const chart = window.trainingProChart;
  if (!chart || window.trainingProChartHands) return;
  const LEAST_PX = 8, OFF_PX = 14, STEP = 0.01, PAGE_STEP = 0.1, ASKED_MS = 8000;
  const own = { at: null, drag: null, zooming: null, byKey: false };

  const number = (value, digits = 4) => {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "-∞";
    const size = Math.abs(value);
    if (value && (size < 1e-3 || size >= 1e6)) return value.toExponential(Math.max(digits - 2, 0));
    return size >= 1000 ? Math.round(value).toLocaleString("en") : value.toFixed(digits);
  };
  const memory = (value) => Number.isNaN(value) ? "–" : value >= 1000 ? `${(value / 1024).toFixed(1)} GB` : `${value.toFixed(0)} MB`;
  const percent = (part) => `${(100 * part).toFixed(2)}%`;

  // -- values -------------------------------------------------------------------------------------------------------

  const nearest = (wanted) => {
    const { updates } = chart.run();
    let near = updates.findIndex((update) => update >= wanted);
    if (near < 0) near = updates.length - 1;
    if (near > 0 && wanted - updates[near - 1] < updates[near] - wanted) near -= 1;
    return near;
  };
  const rowsAt = (near) => {
    const { columns, series, updates, marks } = chart.run();
    const rows = [["raw", "loss", number(columns.loss[near])], ["loss", "smoothed", number(columns.smoothed[near])]];
    for (const [name, points] of series) {
      const found = points.findLast(([at]) => nearest(at) === near);
      if (found) rows.push([chart.style(name), name, number(found[1])]);
    }
    rows.push(["rate", "learning rate", number(columns.learning_rate[near])], ["norm", "gradient norm", number(columns.grad_norm[near])],
      ["speed", "tokens/s", number(columns.tokens_per_s[near], 0)], ["memory", "memory", memory(columns.memory_mb[near])]);
    const here = marks.filter(([at]) => nearest(at) === near && (at || updates[near] <= 1)).slice(-3);
    return [...rows.filter(([, , value]) => value !== "–"), ...here.map((mark) => ["none", chart.words(mark), ""])];
  };
  const tell = (slot) => {
    const hits = slot.querySelector(".tp-hits"), tip = hits?.querySelector(".tp-tip");
    if (!hits) return;
    hits.classList.toggle("tp-on", own.at !== null && !own.drag);
    if (own.at === null) return;
    const { updates, epochs } = chart.run(), { x } = chart.frame(), near = nearest(own.at), at = updates[near];
    const place = Math.min(Math.max(chart.share(x, at), 0), 1), rows = rowsAt(near);
    const head = `Update ${at.toLocaleString("en")} · epoch ${number(at * epochs, 2)}`;
    hits.querySelector("u").style.left = percent(place);
    tip.classList.toggle("tp-left", place > 0.6);
    tip.style.left = place > 0.6 ? "" : percent(place);
    tip.style.right = place > 0.6 ? percent(1 - place) : "";
    const title = document.createElement("strong");
    title.textContent = head;
    tip.replaceChildren(title, ...rows.map(([style, name, value]) => {
      const row = document.createElement("span"), sign = document.createElement("b"), shown = document.createElement("em");
      sign.className = `tp-${style}`;
      shown.textContent = value;
      row.append(sign, `${name} `, shown);
      return row;
    }));
    hits.setAttribute("aria-valuenow", at);
    hits.setAttribute("aria-valuetext", `${head}: ${rows.map(([, name, value]) => `${name} ${value}`).join(", ")}`);
  };

  // -- zoom ---------------------------------------------------------------------------------------------------------

  const zoom = (low, high) => {
    const { whole } = chart.frame();
    const kept = [Math.max(low, whole.low), Math.min(high, whole.high)];
    const all = kept[0] <= whole.low && kept[1] >= whole.high, wanted = all ? null : kept.map(Math.round);
    if (wanted && wanted[1] - wanted[0] < 2) return; // no closer
    chart.look({ zoom: wanted });
    window.trainingProLive?.look();
  };
  const zoomAround = (at, factor) => {
    const { x } = chart.frame();
    zoom(at - factor * (at - x.low), at + factor * (x.high - at));
  };
  const zoomOut = () => { chart.look({ zoom: null }); window.trainingProLive?.look(); };

  // -- the stop line ------------------------------------------------------------------------------------------------

  const control = () => document.querySelector("#tp-live-loss input[type=number]:not(:disabled)");
  const lossNow = () => chart.run().columns.smoothed.findLast(Number.isFinite) ?? NaN;
  const rounded = (value) => Math.min(Math.max(Math.round(value * 100) / 100, 0), 10);
  const send = (value) => {
    const field = control();
    if (!field) return;
    chart.hand.asked = { value, until: Date.now() + ASKED_MS };
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, String(value));
    for (const sign of ["input", "change", "blur"]) field.dispatchEvent(new Event(sign, { bubbles: sign !== "blur" }));
    chart.look({});
    window.trainingProLive?.look();
  };
  const place = (slot, value) => {
    const level = slot.querySelector(".tp-level"), movable = chart.run().total > 0 && Boolean(control()); // total: 0 when it has ended
    level.hidden = !movable && !(value > 0);
    if (level.hidden) return;
    const part = value > 0 ? chart.share(chart.frame().left, value) : 0, inside = part >= 0 && part <= 1;
    level.style.top = percent(1 - Math.min(Math.max(Number.isFinite(part) ? part : 0, 0), 1));
    level.classList.toggle("tp-movable", movable);
    level.classList.toggle("tp-off", !(value > 0));
    level.classList.toggle("tp-high", part > 0.9);
    const ends = movable && value > 0 && value >= lossNow();
    level.classList.toggle("tp-ends", ends);
    const shown = !(value > 0) ? "Stop at loss: off" : `${inside ? "" : part > 1 ? "▴ " : "▾ "}Stop at ${value.toFixed(2)}${ends ? ": ends the run now" : ""}`;
    level.firstChild.textContent = shown;
    level.setAttribute("aria-valuenow", value);
    level.setAttribute("aria-valuetext", shown);
    level.setAttribute("aria-disabled", String(!movable));
    level.tabIndex = movable ? 0 : -1;
  };
  const valueUnder = (event, plot) => {
    const box = plot.getBoundingClientRect(), part = (box.bottom - event.clientY) / box.height;
    if (event.clientY > box.bottom + OFF_PX) return 0;
    return rounded(Math.max(chart.valueAt(chart.frame().left, Math.min(Math.max(part, 0), 1)), STEP));
  };
  const letGo = (sent) => {
    const { drag } = own, slot = chart.slotOf();
    own.drag = null;
    chart.hand.held = false;
    document.documentElement.classList.remove("tp-dragging");
    if (sent && drag?.value !== undefined && drag.value !== chart.stop()) send(drag.value);
    else if (slot && chart.frame()) place(slot, chart.stop());
    chart.look({});
  };

  // -- pointer ------------------------------------------------------------------------------------------------------

  const plotOf = (event) => event.target.closest?.('[data-slot="chart"] .tp-plot');
  const at = (event, plot) => {
    const box = plot.getBoundingClientRect();
    return chart.valueAt(chart.frame().x, Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1));
  };
  const picked = (slot, low, high) => {
    const shown = slot.querySelector(".tp-picked"), { x } = chart.frame();
    shown.style.left = percent(chart.share(x, low));
    shown.style.width = percent(chart.share(x, high) - chart.share(x, low));
  };
  const down = (event) => {
    const plot = plotOf(event);
    if (!plot || !chart.frame() || event.button) return;
    if (event.target.closest(".tp-level.tp-movable")) {
      own.drag = { plot };
      chart.hand.held = true;
      document.documentElement.classList.add("tp-dragging");
    } else if (event.pointerType !== "touch") own.zooming = { plot, from: at(event, plot), x: event.clientX };
    moved(event);
  };
  const moved = (event) => {
    const slot = chart.slotOf(), plot = plotOf(event);
    if (!slot || !chart.run()?.updates.length || !chart.frame()) return;
    if (own.drag) {
      own.drag.value = valueUnder(event, own.drag.plot);
      place(slot, own.drag.value);
      return;
    }
    const held = own.zooming;
    if (held && Math.abs(event.clientX - held.x) >= LEAST_PX) {
      held.to = at(event, held.plot);
      picked(slot, Math.min(held.from, held.to), Math.max(held.from, held.to));
    }
    if (!plot && own.at === null) return;
    if (!plot && own.byKey) return;
    own.byKey = false;
    own.at = plot ? at(event, plot) : null;
    tell(slot);
  };
  const up = () => {
    const held = own.zooming, slot = chart.slotOf();
    own.zooming = null;
    if (own.drag) { letGo(true); return; }
    if (held?.to === undefined || !slot) return;
    picked(slot, 0, 0);
    zoom(Math.min(held.from, held.to), Math.max(held.from, held.to));
  };
  document.addEventListener("pointerdown", down, true);
  document.addEventListener("pointermove", moved, { capture: true, passive: true });
  document.addEventListener("pointerup", up, true);
  document.addEventListener("pointercancel", () => { own.zooming = null; if (own.drag) letGo(false); }, true);
  document.addEventListener("dblclick", (event) => { if (plotOf(event)) zoomOut(); }, true);

  // -- keys ---------------------------------------------------------------------------------------------------------

  const STEPS = { ArrowUp: STEP, ArrowRight: STEP, ArrowDown: -STEP, ArrowLeft: -STEP, PageUp: PAGE_STEP, PageDown: -PAGE_STEP };
  const moveLevel = (event) => {
    if (!(event.key in STEPS) && event.key !== "Home") return false;
    const before = chart.stop(), start = before > 0 ? before : Math.max(lossNow() - 1, 0) || 0;
    send(event.key === "Home" ? 0 : rounded(before > 0 ? before + STEPS[event.key] : start));
    return true;
  };
  const moveValues = (event) => {
    const { updates } = chart.run(), here = own.at === null ? updates.length - 1 : nearest(own.at);
    const steps = { ArrowRight: here + 1, ArrowLeft: here - 1, PageUp: here + 10, PageDown: here - 10, Home: 0, End: updates.length - 1 };
    if (event.key in steps) own.at = updates[Math.min(Math.max(steps[event.key], 0), updates.length - 1)];
    else if (event.key === "+" || event.key === "=") zoomAround(own.at ?? updates.at(-1), 0.5);
    else if (event.key === "-") zoomAround(own.at ?? updates.at(-1), 2);
    else if (event.key === "0") zoomOut();
    else return false;
    own.byKey = true;
    tell(chart.slotOf());
    return true;
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && own.drag) { letGo(false); return; }
    if (!chart.frame() || event.ctrlKey || event.metaKey || event.altKey) return;
    const level = event.target.closest?.('[data-slot="chart"] .tp-level'), hits = event.target.closest?.('[data-slot="chart"] .tp-hits');
    if ((level && moveLevel(event)) || (hits && moveValues(event))) event.preventDefault();
    if (hits && event.key === "Escape") { own.at = null; tell(chart.slotOf()); }
  }, true);
  document.addEventListener("focusout", (event) => {
    if (!event.target.closest?.('[data-slot="chart"] .tp-hits') || !own.byKey) return;
    own.at = null;
    own.byKey = false;
    tell(chart.slotOf());
  }, true);

  // -- the tools above it -------------------------------------------------------------------------------------------

  const VALUES = { measure: (field) => field.value, smoothing: (field) => Math.min(Math.max(Math.round(Number(field.value)) || 0, 0), 1000), log: (field) => field.checked };
  document.addEventListener("change", (event) => {
    const name = event.target.closest?.('[data-slot="chart"] [data-view]')?.dataset.view;
    if (!name) return;
    chart.look({ [name]: VALUES[name](event.target) });
    window.trainingProLive?.look();
  }, true);
  document.addEventListener("click", (event) => {
    const does = event.target.closest?.('[data-slot="chart"] [data-chart]')?.dataset.chart;
    if (does === "whole") zoomOut();
    else if (does) window.trainingProChartSave?.[does]();
  }, true);

  window.trainingProChartHands = {
    drawn: (slot) => {
      const hits = slot.querySelector(".tp-hits"), { whole: all } = chart.frame();
      hits.setAttribute("aria-valuemin", all.low);
      hits.setAttribute("aria-valuemax", chart.run().updates.at(-1));
      place(slot, chart.stop());
      tell(slot);
    },
  };
}
