() => {
  // Draws the live chart from points that the server sends as numbers: all of them once, then what is new. What people
  // do with it (values, zoom, the stop line) is in chart_hands.js, saving it in chart_save.js. Words from outside (why a
  // checkpoint was written, the name of a curve) are only ever set as text.
  const MOST = 800, SIDE = 1000, SIGN_PX = 90; // from MOST points on they are asked for again, fewer of them
  const MEASURES = {
    learning_rate: ["rate", "Learning rate"], grad_norm: ["norm", "Gradient norm"],
    tokens_per_s: ["speed", "Tokens/s"], memory_mb: ["memory", "Memory (MB)"],
  };
  const COLUMNS = ["loss", "smoothed", ...Object.keys(MEASURES)];
  const SERIES = ["third", "fourth"]; // the colours of all other series
  const OWN_STYLES = { evaluation: "eval", "General text": "forget" };
  if (window.trainingProChart) return;
  let run = null, version = 0, frame = null;
  const view = { measure: "learning_rate", smoothing: 0, log: false, zoom: null };
  const hand = { held: false, asked: null }; // held: nothing is drawn under a hand; asked: a stop loss on its way

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
  const empty = (more) => ({ updates: [], series: new Map(), marks: [], marked: 0, stop: 0, total: 0, last: 0, ...more });
  const have = () => {
    if (!run || run.updates.length > MOST) return { zoom: view.zoom };
    return {
      key: run.key, update: run.updates.at(-1) ?? 0, marks: run.marked, stop: run.stop, total: run.total, zoom: view.zoom,
      series: Object.fromEntries([...run.series].map(([name, points]) => [name, points.at(-1)?.[0] ?? -1])),
    };
  };
  const take = (news) => {
    if (!news) return;
    version += 1;
    if (!news.key) { run = news.fault ? empty({ fault: news.fault }) : null; return; }
    if (news.whole || run?.key !== news.key) {
      run = empty({ key: news.key, columns: Object.fromEntries(COLUMNS.map((name) => [name, []])) });
    }
    let update = 0;
    for (const step of news.updates) run.updates.push(update += step);
    for (const name of COLUMNS) run.columns[name].push(...floats(news.columns[name], news.updates.length));
    for (const [name, points] of Object.entries(news.series)) {
      run.series.set(name, [...(run.series.get(name) ?? []), ...points.map(([at, loss]) => [at, loss ?? NaN])]);
    }
    run.marks.push(...news.marks);
    for (const name of ["marked", "stop", "total", "last", "epochs"]) run[name] = news[name];
  };
  // The stop loss: what a hand has asked for, until the server says it too.
  const stop = () => {
    if (hand.asked && (hand.asked.value === run.stop || Date.now() > hand.asked.until)) hand.asked = null;
    return hand.asked ? hand.asked.value : run.stop;
  };
  const style = (name) => OWN_STYLES[name] ?? SERIES[[...run.series.keys()].indexOf(name) % 2];

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
  const valueAt = ({ low, high, log }, part) => log ? low * (high / low) ** part : low + part * (high - low);
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

  // The whole run to its planned end, or what was zoomed to; the losses in sight, and the stop line where it is near.
  const measured = () => {
    const { updates, columns, series, total } = run, measure = MEASURES[view.measure];
    const whole = { low: Math.min(0, updates[0]), high: Math.max(total, updates.at(-1), updates[0] + 1) };
    const x = view.zoom ? { low: view.zoom[0], high: view.zoom[1] } : whole;
    const seen = (values) => values.filter((_, place) => updates[place] >= x.low && updates[place] <= x.high);
    const measures = [...series.values()].flat().filter(([at]) => at >= x.low && at <= x.high).map(([, loss]) => loss);
    const left = axisFor([seen(columns.loss), seen(columns.smoothed), measures], view.log);
    const wanted = stop(), span = left.high - left.low;
    if (wanted > 0 && wanted < left.low) left.low = view.log ? wanted / 1.05 : wanted - 0.05 * (left.high - wanted);
    if (wanted > left.high && wanted - left.high <= span) left.high = view.log ? wanted * 1.05 : wanted + 0.05 * span;
    const right = measure && columns[view.measure].some(Number.isFinite) ? axisFor([columns[view.measure]], false, true) : null;
    return { x, whole, left, right };
  };

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
  const lines = () => {
    const { x, left, right } = frame, { updates, columns, series } = run, found = [];
    if (right) found.push({ style: MEASURES[view.measure][0], name: MEASURES[view.measure][1], d: path(x, right, updates, columns[view.measure]) });
    found.push({ style: "raw", name: "loss", d: path(x, left, updates, columns.loss) });
    found.push({ style: "loss", name: "smoothed", d: path(x, left, updates, columns.smoothed) });
    for (const [name, points] of series)
      if (points.length) found.push({ style: style(name), name, d: path(x, left, points.map(([at]) => at), points.map(([, loss]) => loss)) });
    return found;
  };
  const epochs = () => {
    // The updates at which an epoch ends, as far as they are in sight and not too many.
    const { x } = frame, each = run.epochs > 0 ? 1 / run.epochs : 0, found = [];
    if (!each || (x.high - x.low) / each > 12) return found;
    for (let epoch = 1; epoch * each < x.high - 1e-6; epoch++) if (epoch * each > x.low) found.push([epoch, epoch * each]);
    return found;
  };
  const roomy = () => SIGN_PX * epochs().length < slotOf().clientWidth;
  const percent = (part) => `${(100 * part).toFixed(2)}%`;
  const inside = (part) => part >= -0.001 && part <= 1.001;
  const label = (kind, side, part, words) => inside(part) ? `<span class="tp-${kind}" style="${side}:${percent(part)}">${words}</span>` : "";
  const heightOf = (at) => {
    // Where the smoothed loss is at an update, as a share from the top.
    const near = run.updates.findIndex((update) => update >= at);
    const up = share(frame.left, run.columns.smoothed[near < 0 ? run.updates.length - 1 : near]);
    return 1 - Math.min(Math.max(Number.isFinite(up) ? up : 0, 0), 1);
  };
  const picture = () => {
    const { x, left, right } = frame;
    const grid = ticks(left).map((value) => `M0 ${(SIDE * (1 - share(left, value))).toFixed(0)}H${SIDE}`).join("");
    const ends = epochs().map(([, at]) => `M${(SIDE * share(x, at)).toFixed(1)} 0V${SIDE}`).join("");
    const drawn = lines().map(({ style, d }) => `<path class="tp-line tp-${style}" d="${d}"/>`).join("");
    const dots = [...run.series].flatMap(([name, points]) => points.filter(([at, loss]) => inside(share(x, at)) && inside(share(left, loss))).map(([at, loss]) =>
      `<i class="tp-dot tp-${style(name)}" style="left:${percent(share(x, at))};top:${percent(1 - share(left, loss))}"></i>`));
    const marks = run.marks.map(([at, kind], place) => inside(share(x, at))
      ? `<i class="tp-mark tp-mark-${kind}" data-mark="${place}" style="left:${percent(share(x, at))};top:${kind === "sample" ? "100%" : percent(heightOf(at))}"></i>` : "");
    const now = run.updates.at(-1), at = share(x, run.last);
    const ahead = run.total && at < 1 ? `<div class="tp-ahead" style="left:${percent(Math.max(at, 0))}"></div>` : "";
    const last = run.total && inside(at) && now === run.last ? `<i class="tp-now" style="left:${percent(at)};top:${percent(heightOf(now))}"></i>` : "";
    return `${ahead}<svg viewBox="0 0 ${SIDE} ${SIDE}" preserveAspectRatio="none" aria-hidden="true"><path class="tp-grid" d="${grid}"/>` +
      `<path class="tp-epochs" d="${ends}"/>${drawn}</svg>` +
      ticks(left).map((value) => label("y", "top", 1 - share(left, value), tickText(value))).join("") +
      ticks(x).filter(Number.isInteger).map((value) => label("x", "left", share(x, value), tickText(value))).join("") +
      (right ? ticks(right).map((value) => label("y2", "top", 1 - share(right, value), tickText(value))).join("") : "") +
      (roomy() ? epochs().map(([epoch, place]) => label("epoch", "left", share(x, place), `epoch ${epoch + 1}`)).join("") : "") +
      dots.join("") + last + marks.join("");
  };
  const legend = (slot) => {
    const kinds = new Set(run.marks.map(([, kind]) => kind)), shown = slot.querySelector(".tp-legend");
    shown.replaceChildren(...lines().map(({ style, name }) => entry("b", `tp-${style}`, name)),
      ...["checkpoint", "sample"].filter((kind) => kinds.has(kind)).map((kind) => entry("i", `tp-mark tp-mark-${kind}`, kind)));
  };
  const entry = (tag, style, words) => {
    const made = document.createElement("span"), sign = document.createElement(tag);
    sign.className = style;
    made.append(sign, words);
    return made;
  };
  const SHELL = '<div class="tp-chart tp-live-chart"><div class="tp-chart-head"><div class="tp-legend"></div><div class="tp-chart-tools">' +
    '<button type="button" class="tp-btn tp-s" data-chart="whole" hidden>Whole run</button>' +
    '<label>Right axis <select data-view="measure"></select></label>' +
    '<label>Smoothing <input type="number" min="0" max="1000" step="1" value="0" data-view="smoothing" title="Mean of this many updates. 0: like the stop loss."></label>' +
    '<label id="tp-log"><input type="checkbox" data-view="log"> Log scale</label>' +
    '<button type="button" class="tp-btn tp-s" data-chart="png" title="Save the chart as a picture">PNG</button>' +
    '<button type="button" class="tp-btn tp-s" data-chart="csv" title="Save every update of the run as a table">CSV</button></div></div>' +
    '<div class="tp-axes"><span>loss</span><span></span></div><div class="tp-plot"><div class="tp-drawn"></div>' +
    '<div class="tp-hits" tabindex="0" role="slider" aria-label="Values of the chart by update; plus and minus zoom" aria-valuemin="0" aria-valuemax="0" aria-valuenow="0"><u></u><div class="tp-picked"></div><div class="tp-tip"></div></div>' +
    '<div class="tp-level" tabindex="0" role="slider" aria-label="Stop at loss" aria-valuemin="0" aria-valuemax="10" aria-valuenow="0" hidden><span></span></div>' +
    '</div><div class="tp-xname">update</div></div>';
  const shell = (slot) => {
    if (slot.querySelector(".tp-live-chart")) return;
    slot.innerHTML = SHELL;
    const chosen = slot.querySelector("select");
    for (const [measure, [, words]] of [...Object.entries(MEASURES), ["", [, "Nothing"]]]) chosen.add(new Option(words, measure));
    chosen.value = view.measure;
    slot.querySelector('[data-view="smoothing"]').value = view.smoothing;
    slot.querySelector('[data-view="log"]').checked = view.log;
  };
  const draw = (slot) => {
    if (!slot || hand.held) return;
    const wanted = JSON.stringify([version, view, run && stop()]);
    if (slot.dataset.drawn === wanted && slot.firstChild) return;
    slot.dataset.drawn = wanted;
    if (!run) { slot.textContent = ""; return; }
    if (!run.updates.length) {
      slot.innerHTML = '<p class="tp-none"></p>';
      slot.firstChild.textContent = run.fault ?? "The chart begins with the first update.";
      return;
    }
    shell(slot);
    frame = measured();
    slot.querySelector(".tp-drawn").innerHTML = picture();
    for (const mark of slot.querySelectorAll("[data-mark]")) mark.title = words(run.marks[Number(mark.dataset.mark)]);
    legend(slot);
    slot.querySelector(".tp-axes").lastChild.textContent = frame.right ? MEASURES[view.measure][1] : "";
    slot.querySelector('[data-chart="whole"]').hidden = !view.zoom;
    window.trainingProChartHands?.drawn(slot);
  };
  const words = ([at, kind, reason]) => kind === "checkpoint" ? `checkpoint-${at}: ${reason}` : at ? `samples at update ${at}` : "samples before the run";
  const slotOf = () => document.querySelector('.training-pro [data-slot="chart"]');
  window.trainingProChart = {
    have, view, hand, share, valueAt, stop, style, words, slotOf, SIDE, MEASURES, ticks, tickText, lines,
    run: () => run, frame: () => frame,
    show: (news) => { take(news); draw(slotOf()); },
    look: (wanted) => { Object.assign(view, wanted); draw(slotOf()); },
    smoothing: () => view.smoothing,
    reset: () => { run = null; version += 1; },
  };
}
