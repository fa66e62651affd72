() => {
  // Draws the live chart from points that the server sends as numbers: all of them once, then what is new. Words from
  // outside (the reasons of checkpoints) are only ever set as text.
  const MOST = 800, SIDE = 1000; // from MOST points on they are asked for again, fewer of them
  const MEASURES = {
    learning_rate: ["rate", "Learning rate"], grad_norm: ["norm", "Gradient norm"],
    tokens_per_s: ["speed", "Tokens/s"], memory_mb: ["memory", "Memory (MB)"],
  };
  const COLUMNS = ["loss", "smoothed", ...Object.keys(MEASURES)];
  if (window.trainingProChart) return;
  let run = null, view = { measure: "learning_rate", smoothing: 0, log: false }, version = 0, pointer = null;

  // -- what is there ------------------------------------------------------------------------------------------------

  const floats = (packed, count) => {
    // The upper three bytes of each float32, the lowest first.
    const values = new Array(count).fill(NaN), cell = new DataView(new ArrayBuffer(4)), bytes = atob(packed ?? "");
    for (let place = 0; 3 * place < bytes.length; place++) {
      for (let byte = 0; byte < 3; byte++) cell.setUint8(byte + 1, bytes.charCodeAt(3 * place + byte));
      values[place] = cell.getFloat32(0, true);
    }
    return values;
  };
  const have = () => {
    if (!run || run.updates.length > MOST) return {};
    return {
      key: run.key, update: run.updates.at(-1) ?? 0, evaluation: run.evaluations.at(-1)?.[0] ?? -1,
      marks: run.marks.length, stop: run.stop,
    };
  };
  const take = (news) => {
    if (!news) return;
    version += 1;
    if (!news.key) { run = news.fault ? { fault: news.fault, updates: [], evaluations: [], marks: [] } : null; return; }
    if (news.whole || run?.key !== news.key) {
      run = { key: news.key, updates: [], evaluations: [], marks: [], columns: Object.fromEntries(COLUMNS.map((n) => [n, []])) };
    }
    let update = 0;
    for (const step of news.updates) run.updates.push(update += step);
    for (const name of COLUMNS) run.columns[name].push(...floats(news.columns[name], news.updates.length));
    run.evaluations.push(...news.evaluations.map(([at, loss]) => [at, loss ?? NaN]));
    run.marks.push(...news.marks);
    run.stop = news.stop;
    run.epochs = news.epochs;
  };

  // -- axes ---------------------------------------------------------------------------------------------------------

  const axisFor = (lists, log, fromZero) => {
    const numbers = lists.flat().filter((value) => Number.isFinite(value) && (value > 0 || !log));
    if (!numbers.length) return { low: log ? 0.1 : 0, high: 1, log };
    let low = Math.min(...numbers), high = Math.max(...numbers);
    if (log) return { low: low / 1.05, high: high * 1.05, log };
    if (fromZero) low = Math.min(low, 0);
    const room = 0.05 * (high - low) || 0.05 * Math.abs(high) || 1;
    return { low: fromZero ? low : low - room, high: high + room, log };
  };
  const share = ({ low, high, log }, value) => {
    if (!log) return (value - low) / (high - low);
    return value > 0 ? Math.log(value / low) / Math.log(high / low) : NaN;
  };
  const evenTicks = ({ low, high }) => {
    const raw = (high - low) / 5, size = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((factor) => factor * size).find((one) => one >= raw * 0.999), found = [];
    for (let count = Math.ceil(low / step - 1e-9); count <= Math.floor(high / step + 1e-9); count++)
      found.push(Number((count * step).toPrecision(12)));
    return found;
  };
  const ticks = (axis) => {
    if (!axis.log) return evenTicks(axis);
    const found = [];
    for (let decade = Math.floor(Math.log10(axis.low)); decade <= Math.ceil(Math.log10(axis.high)); decade++)
      for (const factor of [1, 2, 5]) found.push(factor * 10 ** decade);
    const inside = found.filter((value) => value >= axis.low && value <= axis.high);
    if (inside.length < 2) return evenTicks(axis);
    return inside.length <= 10 ? inside : inside.filter((value) => Math.abs(Math.log10(value) % 1) < 1e-9);
  };
  const tickText = (value) => {
    if (!value) return "0";
    if (Math.abs(value) >= 10000) return `${Number((value / 1000).toPrecision(6))}k`;
    return Math.abs(value) < 1e-3 ? value.toExponential() : String(Number(value.toPrecision(6)));
  };
  const number = (value, digits = 4) => {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "-∞";
    const size = Math.abs(value);
    if (value && (size < 1e-3 || size >= 1e6)) return value.toExponential(Math.max(digits - 2, 0));
    return size >= 1000 ? Math.round(value).toLocaleString("en") : value.toFixed(digits);
  };
  const memory = (value) => Number.isNaN(value) ? "–" : value >= 1000 ? `${(value / 1024).toFixed(1)} GB` : `${value.toFixed(0)} MB`;

  // -- the picture --------------------------------------------------------------------------------------------------

  const path = (x, y, xs, ys) => {
    let drawn = "", gap = true;
    xs.forEach((value, place) => {
      const left = SIDE * share(x, value), top = SIDE * (1 - share(y, ys[place]));
      const shown = Number.isFinite(left) && Number.isFinite(top);
      if (shown) drawn += `${gap ? "M" : "L"}${left.toFixed(1)} ${top.toFixed(1)}`;
      gap = !shown;
    });
    return drawn;
  };
  const percent = (part) => `${(100 * part).toFixed(1)}%`;
  const label = (kind, side, part, words) =>
    part >= -0.001 && part <= 1.001 ? `<span class="tp-${kind}" style="${side}:${percent(part)}">${words}</span>` : "";
  const line = (style, drawn) => `<path class="tp-line tp-${style}" d="${drawn}"/>`;
  const swatch = (style, words) => `<span><b class="tp-${style}"></b>${words}</span>`;

  const picture = () => {
    const { updates, columns, evaluations, stop } = run, measure = MEASURES[view.measure];
    const held = evaluations.map(([, loss]) => loss);
    const x = { low: Math.min(0, updates[0]), high: Math.max(updates.at(-1), updates[0] + 1) };
    const left = axisFor([columns.loss, columns.smoothed, held], view.log);
    const right = measure && columns[view.measure].some(Number.isFinite) ? axisFor([columns[view.measure]], false, true) : null;
    const grid = ticks(left).map((value) => `M0 ${(SIDE * (1 - share(left, value))).toFixed(0)}H${SIDE}`).join("");
    let lines = line("raw", path(x, left, updates, columns.loss)) + line("loss", path(x, left, updates, columns.smoothed));
    if (held.length) lines += line("eval", path(x, left, evaluations.map(([at]) => at), held));
    if (right) lines += line(measure[0], path(x, right, updates, columns[view.measure]));
    const level = stop > 0 ? share(left, stop) : NaN;
    const dots = evaluations.filter(([, loss]) => Number.isFinite(share(left, loss))).map(([at, loss]) =>
      `<i class="tp-dot tp-eval" style="left:${percent(share(x, at))};top:${percent(1 - share(left, loss))}"></i>`);
    const marks = run.marks.map(([at]) => {
      const near = updates.findIndex((update) => update >= at), up = share(left, columns.smoothed[near < 0 ? updates.length - 1 : near]);
      const top = 1 - Math.min(Math.max(Number.isFinite(up) ? up : 0, 0), 1);
      return `<i class="tp-mark" style="left:${percent(share(x, at))};top:${percent(top)}"></i>`;
    });
    const named = [swatch("raw", "loss"), swatch("loss", "smoothed"), held.length ? swatch("eval", "evaluation") : "",
      right ? swatch(measure[0], measure[1]) : "", run.marks.length ? '<span><i class="tp-mark"></i>checkpoint</span>' : ""];
    return `<div class="tp-chart"><div class="tp-legend">${named.join("")}</div>` +
      `<div class="tp-axes"><span>loss</span><span>${right ? measure[1] : ""}</span></div><div class="tp-plot">` +
      `<svg viewBox="0 0 ${SIDE} ${SIDE}" preserveAspectRatio="none" aria-hidden="true"><path class="tp-grid" d="${grid}"/>${lines}</svg>` +
      ticks(left).map((value) => label("y", "top", 1 - share(left, value), tickText(value))).join("") +
      ticks(x).filter(Number.isInteger).map((value) => label("x", "left", share(x, value), tickText(value))).join("") +
      (right ? ticks(right).map((value) => label("y2", "top", 1 - share(right, value), tickText(value))).join("") : "") +
      (level >= 0 && level <= 1 ? `<div class="tp-level" style="top:${percent(1 - level)}"><span>stop at ${Number(stop)}</span></div>` : "") +
      `${dots.join("")}<div class="tp-hits"><u></u><div class="tp-tip"></div></div>${marks.join("")}</div><div class="tp-xname">update</div></div>`;
  };

  // -- the tip ------------------------------------------------------------------------------------------------------

  const tell = (slot) => {
    const hits = slot.querySelector(".tp-hits"), tip = hits?.querySelector(".tp-tip");
    if (!hits) return;
    hits.classList.toggle("tp-on", pointer !== null);
    if (pointer === null) return;
    const { updates, columns, evaluations, epochs } = run;
    const low = Math.min(0, updates[0]), high = Math.max(updates.at(-1), updates[0] + 1), wanted = low + pointer * (high - low);
    let near = updates.findIndex((update) => update >= wanted);
    if (near < 0) near = updates.length - 1;
    if (near > 0 && wanted - updates[near - 1] < updates[near] - wanted) near -= 1;
    const at = updates[near], evaluated = evaluations.find(([update]) => update === at);
    const rows = [["raw", "loss", number(columns.loss[near])], ["loss", "smoothed", number(columns.smoothed[near])]];
    if (evaluated) rows.push(["eval", "evaluation", number(evaluated[1])]);
    rows.push(["rate", "learning rate", number(columns.learning_rate[near])], ["norm", "gradient norm", number(columns.grad_norm[near])],
      ["speed", "tokens/s", number(columns.tokens_per_s[near], 0)], ["memory", "memory", memory(columns.memory_mb[near])]);
    const place = (at - low) / (high - low);
    hits.querySelector("u").style.left = percent(place);
    tip.classList.toggle("tp-left", place > 0.6);
    tip.style.left = place > 0.6 ? "" : percent(place);
    tip.style.right = place > 0.6 ? percent(1 - place) : "";
    tip.innerHTML = `<strong>Update ${at.toLocaleString("en")} · epoch ${number(at * epochs, 2)}</strong>` +
      rows.filter(([, , value]) => value !== "–").map(([style, name, value]) => `<span><b class="tp-${style}"></b>${name} <em>${value}</em></span>`).join("");
  };
  const draw = (slot) => {
    if (!slot) return;
    const wanted = JSON.stringify([version, view]);
    if (slot.dataset.drawn === wanted) return;
    slot.dataset.drawn = wanted;
    if (!run) { slot.textContent = ""; return; }
    if (!run.updates.length) {
      slot.innerHTML = '<p class="tp-none"></p>';
      slot.firstChild.textContent = run.fault ?? "The chart begins with the first update.";
      return;
    }
    slot.innerHTML = picture();
    slot.querySelectorAll(".tp-plot > .tp-mark").forEach((mark, place) => {
      const [at, reason] = run.marks[place];
      mark.title = `checkpoint-${at}: ${reason}`;
    });
    tell(slot);
  };
  const slotOf = () => document.querySelector('.training-pro [data-slot="chart"]');
  const moved = (event) => {
    const plot = event.target.closest?.('[data-slot="chart"] .tp-plot'), box = plot?.getBoundingClientRect();
    if (!plot && pointer === null) return;
    pointer = plot ? Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) : null;
    const slot = slotOf();
    if (slot && run?.updates.length) tell(slot);
  };
  for (const sign of ["pointermove", "pointerdown"]) document.addEventListener(sign, moved, { capture: true, passive: true });
  window.trainingProChart = {
    have, show: (news) => { take(news); draw(slotOf()); }, look: (wanted) => { view = { ...view, ...wanted }; draw(slotOf()); },
    smoothing: () => view.smoothing, reset: () => { run = null; version += 1; },
  };
}
